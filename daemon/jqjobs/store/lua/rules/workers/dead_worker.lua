--: include in_hand damaged outcome/leave_hand outcome/crash limits/places workers/board_entry
-- The end of a worker: what it had in hand goes elsewhere, its lease is gone.
-- Gives: end_worker

-- One job has left the active set. state: as the board had it, "unstarted" when it did not name the job, "unknown"
-- when nobody could read it.
local function settle_left(q, now, worker, id, rank, state, mode, cause, stack, cancelled)
  if (cancelled or (mode == 'cancelled' and state == 'running')) and state ~= 'succeeded' then
    end_cancelled_with_worker(q, now, id, state, cause, worker, stack)
  elseif state == 'unknown' then
    suspect(q, now, id, rank, cause, worker)
  else
    settle_by_board(q, now, id, rank, state, mode, cause, worker, stack)
  end
end

-- board: id → {attempt, state} as the worker's board had it, or nil when nobody could read it (then all that it had
-- in hand may have been running). mode, cause: see leave.lua. Returns how many jobs it had in hand.
local function end_worker(q, now, worker, mode, board, cause, stack)
  local active = q .. 'active:' .. worker
  local members = redis.call('ZRANGE', active, 0, -1, 'WITHSCORES')
  local taken = taken_at(redis.call('GET', q .. 'trip:' .. worker))
  for i = 1, #members, 2 do
    local id, attempt = string.match(members[i], '(%S+) (%S+)')
    local entry = board and board[id]
    local current = entry and entry[1] == attempt
    local state = not board and 'unknown' or current and entry[2] or 'unstarted'
    redis.call('ZREM', active, members[i])
    unless_damaged(q, now, id, function()
      local limits, cancelled = note_attempt(q, active, id, attempt, taken)
      settle_left(q, now, worker, id, members[i + 1], state, mode, cause, stack, cancelled)
      free_places(q, now, id, attempt, limits)
    end)
  end
  redis.call('ZREMRANGEBYLEX', q .. 'cancels', '[' .. worker .. ' ', '(' .. worker .. '!')
  redis.call('ZREM', q .. 'leases', worker)  -- last: an end that breaks off can be done again
  return #members / 2
end
