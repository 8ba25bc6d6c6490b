--: include damaged waiting/async_wait
-- Jobs leave `waiting`: an answer has come, or nobody answered in time.
-- Gives: leave_waiting, pass_deadline, pass_deadlines

local function leave_waiting(q, now, id, kind, bytes)
  redis.call('ZREM', q .. 'waiting', id)
  unless_damaged(q, now, id, function() end_wait(q, now, id, kind, bytes) end)
end

local function pass_deadline(q, now, id) leave_waiting(q, now, id, 'deadline', 'nobody answered in time') end

-- Returns whether there may be more, and how many there were.
local function pass_deadlines(q, now, most)
  local late = redis.call('ZRANGEBYSCORE', q .. 'waiting', '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(late) do pass_deadline(q, now, id) end
  return #late == most, #late
end
