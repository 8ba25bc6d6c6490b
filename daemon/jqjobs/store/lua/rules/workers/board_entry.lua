--: include statistics options outcome/history outcome/succeed outcome/fail outcome/crash outcome/lost
--: include outcome/interrupt outcome/give_back outcome/dead waiting/async_wait
-- What becomes of one job of a worker that has ended, by the word that its daemon has for it (leave.lua).
-- Gives: settle_by_board, settle_without_board, end_cancelled_with_worker

local UNREPORTED = 'it raised, and its worker died before it could report the error'
local NO_RESULT = 'its worker died before it could report the result'
local NEIGHBOUR = 'its worker ended for another job'
local RAN = { crashed = true, hung = true, cancelled = true, interrupted = true, neighbour = true, unknown = true }

-- end_of: cause, stack, share, see leave.lua.
local function settle_running(q, now, id, rank, word, worker, end_of)
  if word == 'crashed' then return crash(q, now, id, end_of.cause, worker, end_of.share) end
  count_unreported(q, now, id, word == 'hung' and 'hung' or 'interrupted')
  if word == 'hung' then
    remember_end(q, now, id, 'hung', end_of.cause, worker, end_of.stack)
    return fail_unreported(q, now, id, 'hung', end_of.share)
  end
  remember_end(q, now, id, 'interrupted', word == 'neighbour' and NEIGHBOUR or end_of.cause, worker)
  interrupt(q, now, id, rank)
end

local function settle_by_board(q, now, id, rank, word, worker, end_of)
  if RAN[word] then return settle_running(q, now, id, rank, word, worker, end_of) end
  local suspicion = string.match(word, '^suspect (%-?%d+ %d)$')
  if suspicion then return suspect(q, now, id, rank, suspicion, end_of.cause, worker) end
  if word == 'succeeded' then
    local f = redis.call('HMGET', q .. 'job:' .. id, 'key', 'keep', 'name')
    end_of.done = (end_of.done or 0) + 1
    return succeed(q, now, id, f[1], option(q, f[3], f[2], 'keep_ms'), nil, NO_RESULT)
  end
  if word == 'failed' then
    remember_end(q, now, id, 'failed', UNREPORTED, worker)
    return fail_unreported(q, now, id, 'failed', end_of.share)
  end
  local waits_ms = string.match(word, '^waiting (%d+)$')
  if waits_ms then return enter_waiting(q, now, id, tonumber(waits_ms)) end
  give_back_unrun(q, id, rank)
end

-- Nobody could read its board, so it may have run.
local function settle_without_board(q, now, id, rank, worker, end_of)
  if not end_of.was_draining then return lose(q, now, id, rank, end_of.cause, worker) end
  settle_running(q, now, id, rank, 'interrupted', worker, end_of)
end

local function end_cancelled_with_worker(q, now, id, word, worker, end_of)
  local has_run = RAN[word] or word == 'failed' or string.find(word, '^suspect')
  if word == 'failed' then
    remember_end(q, now, id, 'failed', UNREPORTED, worker)
  elseif has_run then
    count_unreported(q, now, id, 'cancelled')
    remember_end(q, now, id, 'cancelled', word == 'neighbour' and NEIGHBOUR or end_of.cause, worker, end_of.stack)
  end
  end_cancelled(q, now, id, has_run or word ~= 'unstarted')
end
