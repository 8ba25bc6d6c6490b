--: include scheduled coalescing_key outcome/give_back outcome/over arrival/rejected trip/outcomes
-- The same of jobs that did not run: the worker cannot, or may not now.
-- Gives: UNRUN, has_lacked

local RETRY_UNKNOWN_MS = 500
local UNRUN = { released = true, deferred = true, unknown = true, throttled = true, oversized = true }

-- This worker has just given back a job that it cannot run: somebody else shall watch for the moment it is due.
local has_lacked = false

-- number, text of the report mean: deferred: delay ms, nothing · throttled: nothing, its limits · malformed: nothing,
-- reason · released, unknown: nothing
function outcomes.released(q, now, id, rank) give_back_unrun(q, id, rank) end

function outcomes.deferred(q, now, id, rank, key, number)
  retake_key(q, id)
  put_off(q, id, rank, now + tonumber(number))
end

-- Its name is not in the worker's app. Perhaps another worker offers it, else it is parked.
function outcomes.unknown(q, now, id, rank)
  has_lacked = true
  retake_key(q, id)
  local name = redis.call('HGET', q .. 'job:' .. id, 'name')
  local offered_until = redis.call('ZSCORE', q .. 'offers', name)
  if offered_until and tonumber(offered_until) > now then return put_off(q, id, rank, now + RETRY_UNKNOWN_MS) end
  redis.call('HSET', q .. 'job:' .. id, 'rank', rank)
  redis.call('ZADD', q .. 'parked', now, id)
end

function outcomes.throttled(q, now, id, rank, key, number, text)
  redis.call('HSET', q .. 'job:' .. id, 'limits', text)
  give_back_unrun(q, id, rank)
end

function outcomes.malformed(q, now, id, rank, key, number, text)
  reject(q, now, 'malformed: ' .. text, redis.call('HGET', q .. 'job:' .. id, 'payload'))
  forget(q, id, key)
end
