-- Whether time does anything to the jobs of a queue (chores.lua).
-- Gives: has_anything

local STIRRING = { 'ready', 'inbox', 'scheduled', 'waiting', 'parked', 'misfits', 'kept', 'dead', 'transfers',
  'arrived', 'notices', 'batches', 'errors', 'turns' }

-- Leases and offers do not count: a queue that does nothing has these as long as workers wait for it.
local function has_anything(q)
  local names = {}
  for i, part in ipairs(STIRRING) do names[i] = q .. part end
  return redis.call('EXISTS', unpack(names)) > 0
end
