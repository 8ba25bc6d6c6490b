--: include coalescing_key
-- Damaged data (a key or field of the wrong type) ends neither the script nor the way of other jobs.
-- Gives: unless_damaged

-- A job that cannot be handled is dead, and says why where it still can. The caller has taken it out of its set.
local function unless_damaged(q, now, id, handle)
  local fine, problem = pcall(handle)
  if fine then return end
  redis.call('ZADD', q .. 'dead', now, id)
  local key = redis.pcall('HGET', q .. 'job:' .. id, 'key')
  if type(key) == 'string' then free_key(q, id, key) end
  local why = type(problem) == 'table' and problem.err or tostring(problem)
  redis.pcall('HSET', q .. 'job:' .. id, 'reason', 'damaged', 'finished', now, 'error', why)
end
