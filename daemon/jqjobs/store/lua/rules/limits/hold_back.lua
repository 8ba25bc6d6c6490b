--: include limits/gate limits/held limits/opening limits/patience
-- Where a limit holds a job back. The caller has taken it out of its set.
-- Gives: hold, hold_back

-- The job that is held first sets the timer. Returns whether the limit believes this one to be on its way.
local function hold(q, now, id, rank, limit, rest, costs)
  local starts, going = enter_held(q, id, rank, limit, rest, costs)
  if not starts then set_timer(q, limit.name, look_again_at(q, now, limit)) end
  return going == id
end

-- A job that would start now must not: that is a throttle. Returns whether the limit believes it to be on its way.
local function hold_back(q, now, id, name, rank, limit)
  local job, rest, costs = q .. 'job:' .. id, patience_of(q, id, name)
  redis.call('HINCRBY', job, 'throttles', 1)
  if costs then redis.call('HINCRBY', job, 'failures', 1) end
  if not rest or rest > 1 then return hold(q, now, id, rank, limit, rest and rest - 1, costs) end
  give_up(q, now, id, limit.name)
  return true
end
