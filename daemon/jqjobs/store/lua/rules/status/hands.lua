-- Whose hands the active jobs of a queue are in.
-- Gives: jobs_in_hand

local WORKERS_A_LOOK = 50

-- Returns how many jobs are in hand, and which of these workers have any. A worker may serve many queues and be busy in
-- few: so of many at once it is asked whether any is.
local function jobs_in_hand(q, workers)
  local jobs, busy = 0, {}
  for first = 0, #workers - 1, WORKERS_A_LOOK do
    local hands = {}
    for i = 1, math.min(WORKERS_A_LOOK, #workers - first) do hands[i] = q .. 'active:' .. workers[first + i] end
    for i = 1, redis.call('EXISTS', unpack(hands)) > 0 and #hands or 0 do
      local size = redis.call('ZCARD', hands[i])
      jobs = jobs + size
      if size > 0 then busy[#busy + 1] = workers[first + i] end
    end
  end
  return jobs, busy
end
