--: include damaged limits/opening limits/hold_back limits/let_go
-- Whether a limited job of ready may start now.
-- Gives: admit

-- One that may not is out of ready, and held or dead. Returns whether it may, and, if not, whether somebody else may
-- have come to ready for it.
local function admit(q, now, id, name, rank, limits)
  local fine, limit, others_first = pcall(refusal, q, now, limits, rank)
  if fine and not limit then return true end
  redis.call('ZREM', q .. 'ready', id)
  local passes_on = others_first
  unless_damaged(q, now, id, function()
    if not fine then error(limit, 0) end
    passes_on = hold_back(q, now, id, name, rank, limit) or #limits > 1 or others_first
    if passes_on then pass_on(q, now, id, limits) end
    if others_first then open_gate(q, now, limit.name) end
  end)
  return false, passes_on
end
