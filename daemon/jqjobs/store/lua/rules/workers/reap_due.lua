-- When to look for leases that ran out.
-- Gives: is_reap_due

-- reaped: meta field, when somebody last looked.
local function is_reap_due(now, lease, reaped)
  local gap = now - (tonumber(reaped) or -math.huge)
  return gap < 0 or gap >= lease / 30
end
