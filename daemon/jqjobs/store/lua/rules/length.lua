--: include setting
-- A bound on how many jobs of a queue wait: `max_length` in `settings`. What runs, waits for an answer or is over is
-- not counted, and what comes back is not refused.
-- Gives: room_for_jobs, is_full

-- Returns how many jobs more may come, nil for any number, and how many are allowed.
local function room_for_jobs(q)
  local most = setting(q, 'max_length')
  if not most then return end
  local waiting = 0
  for _, set in ipairs({ 'ready', 'scheduled', 'held', 'parked', 'suspects' }) do
    waiting = waiting + redis.call('ZCARD', q .. set)
  end
  return most - waiting, most
end

local function is_full(most) return redis.error_reply('QUEUEFULL no more than ' .. most .. ' jobs may wait') end
