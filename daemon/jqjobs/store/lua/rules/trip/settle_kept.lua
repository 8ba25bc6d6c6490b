--: include totals
-- Successes whose record and result stay, of jobs with nothing else to see to: in four commands each, where
-- settle_one would take twelve.
-- Gives: settle_kept, count_kept

local SEEN_TO = { 'limits', 'cancel', 'uncleaned', 'key', 'flow', 'awaited', 'executions' }
local uncounted = 0     -- so many of this queue
local have_place = {}   -- q → whether `kept` can take them, as asked once a call

-- keep: ms. taken: when its batch was, ms. Returns whether that is all; else nothing was done.
local function settle_kept(q, now, active, stale, id, attempt, keep, result, taken)
  if have_place[q] == nil then have_place[q] = type(redis.pcall('ZCARD', q .. 'kept')) == 'number' end
  local job = q .. 'job:' .. id
  local fields = have_place[q] and redis.pcall('HMGET', job, unpack(SEEN_TO))
  if not fields or fields.err then return false end
  for i = 1, #SEEN_TO - 1 do
    if fields[i] then return false end
  end
  if redis.call('ZREM', active, id .. ' ' .. attempt) == 0 then
    stale[#stale + 1] = id
    return true
  end
  redis.call('HSET', job, 'attempt', attempt, 'taken', taken, 'worker', string.sub(active, #q + #'active:' + 1),
    'executions', (tonumber(fields[#SEEN_TO]) or 0) + 1, 'finished', now, 'result', result)
  redis.call('ZADD', q .. 'kept', now + tonumber(keep), id)
  uncounted = uncounted + 1
  return true
end

-- After the last one of a queue.
local function count_kept(q, now)
  count(q, now, 'done', uncounted)
  uncounted = 0
end
