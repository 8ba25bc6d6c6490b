-- How much a trip may take of what costs more than plain jobs, so that it takes 3 to 5 ms.
-- Gives: LIMITED_COSTS, costly_left

local MOST_COSTLY, LEAST_COSTLY = 128, 16  -- so many that are not plain, and fewer the more it reports
local LIMITED_COSTS = 2  -- each with limits counts for so many

-- t: the trip, see serve.lua; what it takes is to be subtracted from its `costly`.
local function costly_left(t)
  if not t.costly then
    local settled = (#ARGV - 6 - 4 * #KEYS) / 7 + (t.gates_opened or 0)  -- seven an outcome
    t.costly = math.max(LEAST_COSTLY, MOST_COSTLY - settled)
  end
  return t.costly
end
