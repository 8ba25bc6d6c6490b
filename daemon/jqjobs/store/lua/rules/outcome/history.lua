-- The lines of a job's history, and its last error (docs/protocol.md, "History").
-- Gives: log_attempt, remember, history_line, remember_end

local HISTORY = 20  -- attempts remembered of a job

local function log_attempt(q, id, line)
  local history = q .. 'job:' .. id .. ':history'
  local length = redis.pcall('RPUSH', history, line)
  if type(length) == 'number' then
    if length > HISTORY then redis.call('LTRIM', history, -HISTORY, -1) end
    return
  end
  redis.call('DEL', history)  -- no list: it begins anew
  redis.call('RPUSH', history, line)
end

local function remember(q, id, line, error_text)
  log_attempt(q, id, line)
  redis.call('HSET', q .. 'job:' .. id, 'error', error_text)
end

-- stack: where the job was when it was killed, as text, or nil.
local function history_line(now, reason, error_text, worker, attempt, taken, stack)
  return cjson.encode({ attempt = tonumber(attempt), reason = reason, error = error_text, traceback = stack,
    worker = worker, started_ms = tonumber(taken), ended_ms = now })
end

-- For an end that no worker reported.
local function remember_end(q, now, id, reason, error_text, worker, stack)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'attempt', 'taken')
  remember(q, id, history_line(now, reason, error_text, worker, f[1], f[2], stack), error_text)
end
