--: include totals options outcome/history outcome/succeed outcome/fail
--: include outcome/crash outcome/interrupt outcome/give_back outcome/dead waiting/async_wait
-- What becomes of one job of a dead worker, by what the worker's board had of it.
-- Gives: settle_by_board, end_cancelled_with_worker

local UNREPORTED = 'it raised, and its worker died before it could report the error'
local NO_RESULT = 'its worker died before it could report the result'
local NEIGHBOUR = 'its worker was killed for another job'

-- It was running, or was interrupted for another one that was. mode, cause: see leave.lua.
local function settle_running(q, now, id, rank, state, mode, cause, worker, stack)
  if state == 'running' then
    if mode == 'crash' then return crash(q, now, id, rank, cause, worker) end
    if mode == 'suspect' then return suspect(q, now, id, rank, cause, worker) end
    if mode == 'hung' then
      remember_end(q, now, id, 'hung', cause, worker, stack)
      return fail(q, now, id, 'hung', 0)
    end
  end
  remember_end(q, now, id, 'interrupted', state == 'running' and cause or NEIGHBOUR, worker)
  interrupt(q, now, id, rank)
end

-- state: as the board had it; "unstarted" when it did not name the job.
local function settle_by_board(q, now, id, rank, state, mode, cause, worker, stack)
  if state == 'running' or state == 'interrupted' then
    return settle_running(q, now, id, rank, state, mode, cause, worker, stack)
  end
  if state == 'succeeded' then
    local f = redis.call('HMGET', q .. 'job:' .. id, 'key', 'keep', 'name')
    count(q, now, 'done', 1)
    return succeed(q, now, id, f[1], option(q, f[3], f[2], 'keep_ms'), nil, NO_RESULT)
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
