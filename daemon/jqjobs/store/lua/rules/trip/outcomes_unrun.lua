--: include record scheduled coalescing_key outcome/give_back outcome/over arrival/rejected trip/outcomes
--: include parking/parked parking/refusals parking/signatures offers flow/ended
-- The same of jobs that did not run: the worker cannot, or may not now.
-- Gives: UNRUN, has_lacked

local RETRY_UNKNOWN_MS, MOST_RETRY_MS = 500, 30000
local UNRUN = { released = true, deferred = true, unknown = true, throttled = true, oversized = true }

-- This worker has just given back a job that it cannot run: somebody else shall watch for the moment it is due.
local has_lacked = false

-- number, text of the report mean: deferred: delay ms, nothing · throttled: nothing, its limits · malformed: nothing,
-- reason · misfit: "ms signature checked" (or "raw"): for how long it may be parked, what it does not fit, whether its
-- producer has checked it; error, history line · released, unknown: nothing
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
  local wrong = wrong_text('name', name)
  if wrong then error(wrong, 0) end
  if is_on_offer(q, now, name) then return put_off(q, id, rank, now + RETRY_UNKNOWN_MS) end
  park(q, now, id, rank)
end

-- Its arguments do not fit the function that this worker has: older or newer code than its producer's. Perhaps another
-- one has a function that they fit; else it is parked. Of a raw envelope nobody has checked them: a mistake is to be
-- seen at once.
function outcomes.misfit(q, now, id, rank, key, number, text, line)
  local park_ms, signature, origin = string.match(number, '^(%d+) (%S+) (%S+)$')
  local until_ms, times, by = add_refusal(q, id, signature, now + tonumber(park_ms))
  local is_elsewhere = is_offered_otherwise(q, now, redis.call('HGET', q .. 'job:' .. id, 'name'), by)
  if until_ms <= now or (origin == 'raw' and not is_elsewhere) then
    return outcomes.discarded(q, now, id, rank, key, 0, text, line)
  end
  has_lacked = true
  retake_key(q, id)
  redis.call('HSET', q .. 'job:' .. id, 'error', text)
  if not is_elsewhere then return park(q, now, id, rank) end
  put_off(q, id, rank, now + math.min(MOST_RETRY_MS, RETRY_UNKNOWN_MS * 2 ^ (times - 1)))
end

function outcomes.throttled(q, now, id, rank, key, number, text)
  redis.call('HSET', q .. 'job:' .. id, 'limits', text)
  give_back_unrun(q, id, rank)
end

function outcomes.malformed(q, now, id, rank, key, number, text)
  reject(q, now, 'malformed: ' .. text, redis.call('HGET', q .. 'job:' .. id, 'payload'))
  flow_turns(q, now, id, 'gone')
  forget(q, id, key)
end
