-- What becomes of the jobs of a worker that has ended, by what its board had of them.

local UNREPORTED = 'it raised, and its worker died before it could report the error'
local NEIGHBOUR = 'its worker was killed for another job'

local function fate_of_known(q, now, id, rank, state, mode, cause, worker, stack)
  if state == 'running' then
    if mode == 'crash' then return crash(q, now, id, rank, cause, worker) end
    if mode == 'suspect' then return suspect(q, now, id, rank, cause, worker) end
    if mode == 'hung' then
      remember_end(q, now, id, 'hung', cause, worker, stack)
      return fail(q, now, id, 'hung', 0)
    end
  end
  if state == 'running' or state == 'interrupted' then
    remember_end(q, now, id, 'interrupted', state == 'running' and cause or NEIGHBOUR, worker)
    return interrupt(q, now, id, rank)
  end
  if state == 'succeeded' then
    local f = redis.call('HMGET', q .. 'job:' .. id, 'key', 'keep', 'name')
    count(q, now, 'done', 1)
    local keep = option(q, f[3], f[2], 'keep_ms')
    return succeed(q, now, id, f[1], keep, nil, 'its worker died before it could report the result')
  end
  if state == 'failed' then
    remember_end(q, now, id, 'failed', UNREPORTED, worker)
    return fail(q, now, id, 'failed', 0)
  end
  local waits_ms = string.match(state, '^waiting (%d+)$')
  if waits_ms then return enter_waiting(q, now, id, tonumber(waits_ms), 0) end
  give_back_unrun(q, id, rank)
end

-- state: as the board had it; "unknown" without one. stack: see remember_end.
local function end_cancelled_with_worker(q, now, id, state, cause, worker, stack)
  if state == 'failed' then remember_end(q, now, id, 'failed', UNREPORTED, worker) end
  if state == 'interrupted' then remember_end(q, now, id, 'cancelled', NEIGHBOUR, worker) end
  if state == 'running' or state == 'unknown' then remember_end(q, now, id, 'cancelled', cause, worker, stack) end
  end_cancelled(q, now, id, state ~= 'unstarted')
end

-- Empties a worker's active set and takes its lease away. board: id → {attempt, state} as the worker's
-- board had it, or nil when nobody could read it (then everything it held may have been running).
local function end_worker(q, now, worker, mode, board, cause, stack)
  local active = q .. 'active:' .. worker
  local held = redis.call('ZRANGE', active, 0, -1, 'WITHSCORES')
  local taken = taken_at(redis.call('GET', q .. 'trip:' .. worker))
  for i = 1, #held, 2 do
    local id, attempt = string.match(held[i], '(%S+) (%S+)')
    local rank = held[i + 1]
    local entry = board and board[id]
    local current = entry and entry[1] == attempt
    redis.call('ZREM', active, held[i])
    unless_damaged(q, now, id, function()
      local limits, cancelled = note_attempt(q, active, id, attempt, taken)
      local state = not board and 'unknown' or current and entry[2] or 'unstarted'
      if (cancelled or (mode == 'cancelled' and state == 'running')) and state ~= 'succeeded' then
        end_cancelled_with_worker(q, now, id, state, cause, worker, stack)
      elseif board then
        fate_of_known(q, now, id, rank, state, mode, cause, worker, stack)
      else
        suspect(q, now, id, rank, cause, worker)
      end
      free_places(q, now, id, attempt, limits)
    end)
  end
  redis.call('ZREMRANGEBYLEX', q .. 'cancels', '[' .. worker .. ' ', '(' .. worker .. '!')
  redis.call('ZREM', q .. 'leases', worker)  -- last: an end that breaks off can be done again
  return #held / 2
end
