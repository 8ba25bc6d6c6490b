--: include waiting/leave_waiting retention parking/unpark parking/misfits moving/overdue turns/forget
--: include flow/forget_batches
-- What time does to the jobs of a queue beside promoting them, some of each kind; and whether it does anything there.
-- Gives: has_anything, see_to_jobs

local STIRRING = { 'ready', 'inbox', 'scheduled', 'waiting', 'parked', 'misfits', 'kept', 'dead', 'transfers',
  'arrived', 'notices', 'batches', 'errors', 'turns' }

-- Leases and offers do not count: a queue that does nothing has these as long as workers wait for it.
local function has_anything(q)
  local names = {}
  for i, part in ipairs(STIRRING) do names[i] = q .. part end
  return redis.call('EXISTS', unpack(names)) > 0
end

-- some: does a part of what there is, see housekeep.lua. unparks: meta field `unpark`.
-- Returns how many dead jobs were trimmed, and what waits to be delivered elsewhere.
local function see_to_jobs(q, now, some, unparks, most_dead, dead_ms)
  some(20, pass_deadlines)
  if unparks then some(8, unpark, tonumber(unparks)) else some(8, unpark_latest) end
  some(14, end_overdue_misfits)
  some(3, forget_kept)
  some(3, forget_batches)
  local trimmed = some(5, trim_dead, most_dead, dead_ms)
  if redis.call('EXISTS', q .. 'ready') == 0 then forget_turns(q) end
  return trimmed, overdue_transfers(q, now) + overdue_notices(q, now)
end
