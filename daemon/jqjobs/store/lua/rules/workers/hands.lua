--: include core
-- Whose hands the active jobs of a queue are in. All workers are looked at, however many there are: who left one out
-- would take its jobs for lost.
-- Gives: look_at_hands, hands_by_name, member_in_hand, who_has

local WORKERS_A_LOOK = 50

-- Calls look(worker, its active set) for those that may have jobs in hand, until it returns true. A worker may serve
-- many queues and be busy in few: so of many at once it is asked whether any is. Returns how many workers there are.
local function look_at_hands(q, look)
  local workers = redis.call('ZRANGE', q .. 'leases', 0, -1)
  for first = 0, #workers - 1, WORKERS_A_LOOK do
    local hands = {}
    for i = 1, math.min(WORKERS_A_LOOK, #workers - first) do hands[i] = q .. 'active:' .. workers[first + i] end
    for i = 1, redis.call('EXISTS', unpack(hands)) > 0 and #hands or 0 do
      if look(workers[first + i], hands[i]) then return #workers end
    end
  end
  return #workers
end

-- Returns the workers that may have jobs in hand, by name: their leases change places all the time.
local function hands_by_name(q)
  local workers = {}
  look_at_hands(q, function(worker) workers[#workers + 1] = worker end)
  table.sort(workers)
  return workers
end

-- before: the field `attempt` of a job. Returns what is in the active set of the worker that has it in hand: an
-- attempt is written when it is over (trip/hand_out.lua).
local function member_in_hand(id, before) return id .. ' ' .. digits((tonumber(before or nil) or 0) + 1) end

-- Returns the worker that has that in hand and the job's rank; nil when none has.
local function who_has(q, member)
  local holder, rank
  look_at_hands(q, function(worker, hand)
    rank = redis.call('ZSCORE', hand, member)
    if rank then holder = worker end
    return holder
  end)
  return holder, rank
end
