--: include totals outcome/history outcome/succeed outcome/fail outcome/interrupt outcome/snooze outcome/dead
--: include waiting/async_wait
-- What a worker's report of one attempt makes of the job, by its kind; here of those that ran.
-- Gives: outcomes

-- number, text, line of the report mean: done: 1 and its limits where it has neither a key nor a batch nor a successor,
-- else 0 and any text; result if something comes after it or "" · kept: keep ms, why there is no result or "", result
-- failed, discarded: "ms group": delay (of failed), group of the error (outcome/error_groups.lua); error, history line
-- hung: delay ms, error, history line · interrupted, cancelled, oversized: nothing, error, history line
-- waiting: ms it waits, ms of its back-off, nothing · snoozed: delay ms, nothing, nothing
local function group_of(number) return string.match(number, ' (%S+)$') end

local outcomes = {
  done = function(q, now, id, rank, key, number, text, line)
    count(q, now, 'done', 1)
    succeed(q, now, id, key, nil, line ~= '' and line)
  end,
  kept = function(q, now, id, rank, key, number, text, line, worker)
    count(q, now, 'done', 1)
    redis.call('HSET', q .. 'job:' .. id, 'worker', worker)
    succeed(q, now, id, key, tonumber(number), line, text ~= '' and text)
  end,
  failed = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    fail(q, now, id, 'failed', tonumber(string.match(number, '^%d+')), group_of(number))
  end,
  hung = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    fail(q, now, id, 'hung', tonumber(number))
  end,
  discarded = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    redis.call('HINCRBY', q .. 'job:' .. id, 'failures', 1)
    redis.call('HINCRBY', q .. 'job:' .. id, 'executions', 1)
    count(q, now, 'failed', 1)
    die(q, now, id, 'discarded', key, group_of(number))
  end,
  interrupted = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    interrupt(q, now, id, rank)
  end,
  -- Also what becomes of every other outcome but a success, of a job that somebody has cancelled.
  cancelled = function(q, now, id, rank, key, number, text, line)
    if line ~= '' then remember(q, id, line, text) end
    end_cancelled(q, now, id, line ~= '')
  end,
  oversized = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    count(q, now, 'failed', 1)
    die(q, now, id, 'oversized', key)
  end,
  waiting = function(q, now, id, rank, key, number, text)
    enter_waiting(q, now, id, tonumber(number), tonumber(text) or 0)
  end,
  snoozed = function(q, now, id, rank, key, number) snooze(q, id, rank, now + tonumber(number)) end,
}
