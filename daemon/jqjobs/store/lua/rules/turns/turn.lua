--: include ranks turns/last
-- The turn of one job (turns/last.lua).
-- Gives: turn_of, fresh_rank

-- Returns its rank. group, sequence: see turn_before.
local function turn_of(q, priority, group, sequence)
  local before, last, member = turn_before(q, priority, group, sequence)
  if not before then return rank_for(priority, sequence) end
  last[member] = before + 1
  return before + 1
end

local function fresh_rank(q, priority, group)
  local rank = turn_of(q, priority, group, redis.call('HINCRBY', q .. 'meta', 'seq', 1))
  if has_turns[q] then write_turns(q) end
  return rank
end
