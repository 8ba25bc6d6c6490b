--: include setting
-- A bound on how many jobs of a queue wait: `max_length` in `settings`. What runs, waits for an answer or is over is
-- not counted, and what comes back is not refused.
-- Gives: room_for_jobs, is_full

-- Of `scheduled` the timers are no jobs, as jobs_scheduled has it (scheduled.lua). That is not included: enqueue.lua
-- needs both in places that do not see each other, and what is included stands once in a script.
-- Returns how many jobs more may come, nil for any number, and how many are allowed.
local function room_for_jobs(q)
  local most = setting(q, 'max_length')
  if not most then return end
  local waiting = (redis.call('ZSCORE', q .. 'scheduled', '~') and -1 or 0) - redis.call('HLEN', q .. 'gates')
  for _, set in ipairs({ 'ready', 'scheduled', 'held', 'parked', 'suspects' }) do
    waiting = waiting + redis.call('ZCARD', q .. set)
  end
  return most - waiting, most
end

local function is_full(most) return redis.error_reply('QUEUEFULL no more than ' .. most .. ' jobs may wait') end
