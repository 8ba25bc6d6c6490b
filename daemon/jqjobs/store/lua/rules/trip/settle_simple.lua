--: include totals coalescing_key outcome/over outcome/succeeded
-- Successes of jobs where nothing else is to be seen to than a key, or that their record stays: in four commands each
-- and two for a key, where settle_one takes twelve.
-- Gives: settle_simple, count_simple

local SEEN_TO = { 'limits', 'cancel', 'uncleaned', 'flow', 'awaited', 'key', 'executions' }
local KEY, EXECUTIONS = 6, 7
local have_place = {}           -- q → whether `kept` can take them, as asked once a call
local uncounted, gone = 0, {}   -- how many there were of this queue; ids of those of which nothing stays

local function has_place(q)
  if have_place[q] == nil then have_place[q] = type(redis.pcall('ZCARD', q .. 'kept')) == 'number' end
  return have_place[q]
end

-- keep: ms, or nil: nothing stays. taken: when its batch was, ms. Returns whether that is all; else nothing was done.
local function settle_simple(q, now, active, stale, id, attempt, keep, result, taken)
  if keep and not has_place(q) then return false end
  local job = q .. 'job:' .. id
  local fields = redis.pcall('HMGET', job, unpack(SEEN_TO))
  if fields.err then return false end
  for i = 1, KEY - 1 do
    if fields[i] then return false end
  end
  if redis.call('ZREM', active, id .. ' ' .. attempt) == 0 then
    stale[#stale + 1] = id
    return true
  end
  if keep then
    free_key(q, id, fields[KEY])
    redis.call('HSET', job, 'attempt', attempt, 'taken', taken, 'worker', string.sub(active, #q + #'active:' + 1),
      'executions', (tonumber(fields[EXECUTIONS]) or 0) + 1, 'finished', now, 'result', result)
    redis.call('ZADD', q .. 'kept', now + keep, id)
  else
    forget(q, id, fields[KEY])
    gone[#gone + 1] = id
  end
  uncounted = uncounted + 1
  return true
end

-- After the last one of a queue.
local function count_simple(q, now)
  local ids = gone
  count(q, now, 'done', uncounted)
  uncounted, gone = 0, {}
  note_successes(q, ids)
end
