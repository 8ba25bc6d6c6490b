--: include damaged moving/transfer
-- Jobs whose mover did not get to the end of it. Daemons deliver them (transfers.lua).
-- Gives: overdue_transfers

local OVERDUE_MS, MOST_SEEN, MOST_FORGOTTEN = 2000, 50, 1000

-- Returns how many there are; what says no longer where it was to go is dead. Forgets what came here long ago, a part
-- of it each time.
local function overdue_transfers(q, now)
  local forgotten = math.min(MOST_FORGOTTEN, redis.call('ZCOUNT', q .. 'arrived', '-inf', now))
  if forgotten > 0 then redis.call('ZREMRANGEBYRANK', q .. 'arrived', 0, forgotten - 1) end
  local found = gone_since(q, now, OVERDUE_MS, MOST_SEEN)
  local left = 0
  for _, id in ipairs(found) do
    if read_transfer(q, id) then
      left = left + 1
    else
      redis.call('ZREM', q .. 'transfers', id)
      unless_damaged(q, now, id, function() error('its field moving cannot be read', 0) end)
    end
  end
  return left
end
