--: include totals options scheduled turns/turn outcome/dead outcome/unreported_delay
-- An attempt failed, or ran into its time limit. Counts the failure.
-- Gives: fail, fail_unreported

local MOST_HUNG = 3  -- of max_attempts: who blocks a worker until it is killed gets no ten tries

-- delay: ms until it is tried again; 0: at once, behind what is ready by now. group: see error_groups.lua.
local function fail(q, now, id, reason, delay, group)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'name', 'max_attempts', 'forgiven', 'key', 'priority', 'fair')
  local failures = redis.call('HINCRBY', job, 'failures', 1) - forgiven(f[3], 1)
  local is_last = reason == 'hung' and redis.call('HINCRBY', job, 'hung', 1) >= MOST_HUNG
  redis.call('HINCRBY', job, 'executions', 1)
  redis.call('HDEL', job, 'suspect', 'lost', 'refused')
  count(q, now, 'failed', 1)
  if is_last or failures >= option(q, f[1], f[2], 'max_attempts') then return die(q, now, id, reason, f[4], group) end
  if delay > 0 then return schedule(q, id, now + delay) end
  redis.call('ZADD', q .. 'ready', fresh_rank(q, f[5], f[6]), id)
end

-- Its worker did not live to say when it is to be tried again. share: see unreported_delay.lua.
local function fail_unreported(q, now, id, reason, share)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'name', 'failures', 'forgiven')
  local failures = (tonumber(f[2]) or 0) + 1 - forgiven(f[3], 1)
  fail(q, now, id, reason, backoff(q, f[1], failures, share))
end
