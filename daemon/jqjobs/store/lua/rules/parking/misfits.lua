--: include damaged outcome/dead parking/parked
-- Jobs that are parked because their arguments fit no worker's function are dead when it has been too long.
-- Gives: end_overdue_misfits

local function give_up_misfit(q, now, id)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'key', 'error')
  redis.call('HSET', q .. 'job:' .. id, 'error', 'no worker took it while it was parked: ' .. (f[2] or ''))
  die(q, now, id, 'discarded', f[1])
end

-- Returns whether there may be more, and how many there were.
local function end_overdue_misfits(q, now, most)
  local late = redis.call('ZRANGEBYSCORE', q .. 'misfits', '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(late) do
    if leave_parked(q, id) then unless_damaged(q, now, id, function() give_up_misfit(q, now, id) end) end
  end
  return #late == most, #late
end
