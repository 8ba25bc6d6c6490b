-- Records outcomes. A settle counts only while the job is in the worker's active set under that attempt.

local RETRY_UNKNOWN_MS = 500

-- done: "id attempt id attempt …", successes whose result nobody asked for. Stale ids go into `stale`.
local function settle_done(q, now, active, done, stale)
  local gone, finished = {}, 0
  for id, attempt in string.gmatch(done, '(%S+) (%S+)') do
    local f = redis.call('HMGET', q .. 'job:' .. id, 'attempt', 'key')
    if f[1] == attempt and redis.call('ZREM', active, id) == 1 then
      if f[2] then free_key(q, id, f[2]) end
      gone[#gone + 1], gone[#gone + 2] = q .. 'job:' .. id, q .. 'job:' .. id .. ':history'
      finished = finished + 1
    else
      stale[#stale + 1] = id
    end
  end
  if finished > 0 then
    redis.call('DEL', unpack(gone))
    count(q, now, 'done', finished)
  end
end

local function settle_unknown(q, now, id, rank)
  local name = redis.call('HGET', q .. 'job:' .. id, 'name')
  redis.call('HSET', q .. 'job:' .. id, 'rank', rank)
  local offered_until = redis.call('ZSCORE', q .. 'offers', name)
  if offered_until and tonumber(offered_until) > now then return schedule(q, id, now + RETRY_UNKNOWN_MS) end
  redis.call('ZADD', q .. 'parked', now, id)
end

-- number, text and line mean: kept: keep ms, why there is no result or "", result · failed, hung: delay ms, error, history line ·
-- discarded, interrupted: -, error, history line · malformed: -, reason, - · released, unknown: nothing.
local outcomes = {
  kept = function(q, now, id, rank, key, number, text, line)
    count(q, now, 'done', 1)
    succeed(q, now, id, key, tonumber(number), line, text ~= '' and text)
  end,
  failed = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    fail(q, now, id, 'failed', tonumber(number))
  end,
  hung = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    fail(q, now, id, 'hung', tonumber(number))
  end,
  discarded = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    redis.call('HINCRBY', q .. 'job:' .. id, 'failures', 1)
    redis.call('HINCRBY', q .. 'job:' .. id, 'executions', 1)
    count(q, now, 'failed', 1)
    die(q, now, id, 'discarded', key)
  end,
  interrupted = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    interrupt(q, now, id, rank)
  end,
  released = function(q, now, id, rank) give_back(q, id, rank) end,
  unknown = settle_unknown,
  malformed = function(q, now, id, rank, key, number, text)
    reject(q, now, 'malformed: ' .. text, redis.call('HGET', q .. 'job:' .. id, 'payload'))
    forget(q, id, key)
  end,
}

local function settle_one(q, now, active, stale, kind, id, attempt, number, text, line)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'attempt', 'key')
  local rank = redis.call('ZSCORE', active, id)
  if f[1] ~= attempt or not rank then
    stale[#stale + 1] = id
    return
  end
  redis.call('ZREM', active, id)
  -- A word this script does not know comes from a newer worker; an error here would lose the job.
  local record = outcomes[kind] or outcomes.released
  record(q, now, id, rank, f[2], number, text, line)
end

-- held: "id attempt …", all the worker has. The rest of its active set goes back in place; what it
-- has and Redis has not is added to `lost`.
local function resync(q, active, held, lost)
  local named = {}
  for id, attempt in string.gmatch(held, '(%S+) (%S+)') do named[id] = attempt end
  local inside = redis.call('ZRANGE', active, 0, -1, 'WITHSCORES')
  for i = 1, #inside, 2 do
    local id, rank = inside[i], inside[i + 1]
    if named[id] and named[id] == redis.call('HGET', q .. 'job:' .. id, 'attempt') then
      named[id] = nil
    else
      redis.call('ZREM', active, id)
      give_back(q, id, rank)
    end
  end
  for id in pairs(named) do lost[#lost + 1] = id end
end
