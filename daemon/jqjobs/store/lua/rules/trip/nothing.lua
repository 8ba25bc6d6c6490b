-- What an idle worker asks whenever a poll is due, before all that a trip needs is built: that takes ten times as long.
-- Gives: count_keys, has_nothing, workers_here

local ALL = { 'ready', 'inbox', 'suspects' }

-- Returns how many of these parts there are, of all queues from first to last together.
local function count_keys(queues, first, last, parts)
  local names, n = {}, 0
  for i = first, last do
    for k = 1, #parts do names[n + k] = queues[i] .. parts[k] end
    n = n + #parts
  end
  return redis.call('EXISTS', unpack(names))
end

-- Returns whether there is nothing in these queues for which a worker makes a trip; see `worker/trips/news`.
local function has_nothing(queues) return count_keys(queues, 1, #queues, ALL) == 0 end

-- Returns how many workers there are in this queue: in a crowd each asks the more rarely.
local function workers_here(q)
  local leases = redis.pcall('ZCARD', q .. 'leases')
  return type(leases) == 'number' and leases or 0
end
