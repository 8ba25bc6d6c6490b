--: include waiting/leave_waiting retention parking/unpark parking/misfits moving/overdue turns/forget
--: include flow/forget_batches
-- What time does to the jobs of a queue beside promoting them, some of each kind.
-- Gives: see_to_jobs

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
