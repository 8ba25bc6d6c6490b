--: include scheduled
-- A job has asked to run later. That is free; how often it may, its worker knows.
-- Gives: snooze

local function snooze(q, id, rank, due)
  local job = q .. 'job:' .. id
  redis.call('HINCRBY', job, 'snoozes', 1)
  redis.call('HINCRBY', job, 'executions', 1)
  redis.call('HDEL', job, 'suspect', 'lost', 'refused')
  put_off(q, id, rank, due)
end
