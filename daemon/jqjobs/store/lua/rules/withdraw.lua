--: include limits/gate limits/held limits/let_go parking/parked
-- A person takes a job out of the set that it waits in, whichever that is.
-- Gives: withdraw

-- Returns whether it was in one; it was in none when a worker has it in hand, or it is over.
local function withdraw(q, now, id)
  if leave_held(q, id) or leave_parked(q, id) then return true end
  if redis.call('ZREM', q .. 'ready', id) == 1 then
    pass_on(q, now, id, limits_of(redis.pcall('HGET', q .. 'job:' .. id, 'limits')))
    return true
  end
  for _, state in ipairs({ 'scheduled', 'waiting', 'suspects' }) do
    if redis.call('ZREM', q .. state, id) == 1 then return true end
  end
  return false
end
