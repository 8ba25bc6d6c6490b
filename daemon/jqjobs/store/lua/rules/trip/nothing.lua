-- What an idle worker asks whenever a poll is due, before all that a trip needs is built: that takes ten times as long.
-- Gives: has_nothing, workers_here

-- Returns whether there is nothing in the queues of these meta keys for which a worker makes a trip; see
-- `worker/trips/news`.
local function has_nothing(keys)
  local names = {}
  for _, key in ipairs(keys) do
    local q, n = string.sub(key, 1, -5), #names
    names[n + 1], names[n + 2], names[n + 3] = q .. 'ready', q .. 'inbox', q .. 'suspects'
  end
  return redis.call('EXISTS', unpack(names)) == 0
end

-- Returns how many workers there are in the first of these queues: in a crowd each asks the more rarely.
local function workers_here(keys)
  local leases = redis.pcall('ZCARD', string.sub(keys[1], 1, -5) .. 'leases')
  return type(leases) == 'number' and leases or 0
end
