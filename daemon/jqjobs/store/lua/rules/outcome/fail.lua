--: include totals ranks options scheduled outcome/dead
-- An attempt failed, or ran into its time limit. Counts the failure.
-- Gives: fail

-- delay: ms until it is tried again; 0: at once, behind what is ready by now.
local function fail(q, now, id, reason, delay)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'name', 'max_attempts', 'forgiven', 'key', 'priority')
  local failures = redis.call('HINCRBY', job, 'failures', 1) - forgiven(f[3], 1)
  redis.call('HINCRBY', job, 'executions', 1)
  redis.call('HDEL', job, 'suspect')
  count(q, now, 'failed', 1)
  if failures >= option(q, f[1], f[2], 'max_attempts') then return die(q, now, id, reason, f[4]) end
  if delay > 0 then return schedule(q, id, now + delay) end
  redis.call('ZADD', q .. 'ready', fresh_rank(q, f[5]), id)
end
