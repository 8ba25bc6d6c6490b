--: include damaged limits/gate limits/held limits/patience limits/let_go limits/occupy
-- What the start of a limited job means to its limits, and to the jobs that they hold. It starts with its take.
-- Gives: start

local MOST_GIVE_UP = 10  -- held jobs that one start may be too many for, of one limit

-- Returns whether the limit holds others back, or did.
local function count_start(q, now, id, name)
  local starts, going = nil, nil
  if has_gates(q) then starts, going = read_gate(q, name) end
  if not starts then return false end
  starts = starts + 1
  write_gate(q, name, starts, going ~= id and going or nil)
  local patience = q .. 'patience:' .. name
  for _, spent in ipairs(redis.call('ZRANGEBYSCORE', patience, '-inf', starts, 'LIMIT', 0, MOST_GIVE_UP)) do
    redis.call('ZREM', patience, spent)
    if leave_held(q, spent) then unless_damaged(q, now, spent, function() give_up(q, now, spent, name) end) end
  end
  open_gate(q, now, name)
  return true
end

-- Returns whether one of the limits holds others back, or did: somebody may have come to ready.
local function start(q, now, id, attempt, limits)
  for _, limit in ipairs(limits) do occupy(q, now, limit, id .. ' ' .. attempt) end
  local holds_others = false
  for _, limit in ipairs(limits) do
    if count_start(q, now, id, limit.name) then holds_others = true end
  end
  return holds_others
end
