-- When to look for leases that ran out.
-- Gives: is_reap_due

-- reaped: meta field, when somebody last looked. is_wake: in a wake trip, which is in a hurry, as the next trip of its
-- worker is not; so it looks only where all may have been away (workers/expired_leases.lua).
local function is_reap_due(now, lease, reaped, is_wake)
  local gap = now - (tonumber(reaped) or -math.huge)
  return gap < 0 or gap >= lease / (is_wake and 3 or 30)
end
