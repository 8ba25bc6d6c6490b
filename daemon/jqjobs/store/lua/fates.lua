-- What becomes of a job that is out of a worker's hands. Each function expects that the job
-- has just left the active set, and puts it into exactly one other state.

local function forgiven(text, nth)
  local found = {}
  for number in string.gmatch(text or '', '%d+') do found[#found + 1] = tonumber(number) end
  return found[nth] or 0
end

-- An option comes from the job, else from what workers published for its name, else the default (or nil).
local function option(q, name, own, which)
  return tonumber(own or nil) or tonumber(published(q, name)[which]) or DEFAULTS[which]
end

local function log_attempt(q, id, line)
  local history = q .. 'job:' .. id .. ':history'
  if redis.call('RPUSH', history, line) > HISTORY then redis.call('LTRIM', history, -HISTORY, -1) end
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

local function remember_end(q, now, id, reason, error_text, worker, stack)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'attempt', 'taken')
  remember(q, id, history_line(now, reason, error_text, worker, f[1], f[2], stack), error_text)
end

local function give_back(q, id, rank) redis.call('ZADD', q .. 'ready', rank, id) end

local function die(q, now, id, reason, key)
  free_key(q, id, key)
  redis.call('HSET', q .. 'job:' .. id, 'reason', reason, 'finished', now)
  redis.call('HDEL', q .. 'job:' .. id, 'suspect')
  redis.call('ZADD', q .. 'dead', now, id)
end

local function succeed(q, now, id, key, keep, result, missing)
  if not keep then return forget(q, id, key) end
  local job = q .. 'job:' .. id
  free_key(q, id, key)
  redis.call('HINCRBY', job, 'executions', 1)
  redis.call('HSET', job, 'finished', now, missing and 'result_missing' or 'result', missing or result)
  redis.call('ZADD', q .. 'kept', now + keep, id)
end

local function fail(q, now, id, reason, delay)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'name', 'max_attempts', 'forgiven', 'key', 'priority')
  local failures = redis.call('HINCRBY', job, 'failures', 1) - forgiven(f[3], 1)
  redis.call('HINCRBY', job, 'executions', 1)
  redis.call('HDEL', job, 'suspect')
  count(q, now, 'failed', 1)
  if failures >= option(q, f[1], f[2], 'max_attempts') then return die(q, now, id, reason, f[4]) end
  if delay > 0 then return schedule(q, id, now + delay) end
  redis.call('ZADD', q .. 'ready', fresh_rank(q, f[5]), id)
end

local function crash(q, now, id, rank, cause, worker)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'name', 'max_crashes', 'forgiven', 'key')
  local crashes = redis.call('HINCRBY', job, 'crashes', 1) - forgiven(f[3], 2)
  redis.call('HINCRBY', job, 'executions', 1)
  remember_end(q, now, id, 'crashed', cause, worker)
  count(q, now, 'failed', 1)
  if crashes >= option(q, f[1], f[2], 'max_crashes') then return die(q, now, id, 'crashed', f[4]) end
  give_back(q, id, rank)
end

-- Its daemon or host died too, so nobody is charged: it is taken alone next time, and charged only then.
local function suspect(q, now, id, rank, cause, worker)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'suspect', 'attempt', 'taken', 'executions')
  if f[1] then return crash(q, now, id, rank, cause, worker) end
  redis.call('HSET', job, 'suspect', 1, 'executions', (tonumber(f[4]) or 0) + 1, 'error', cause)
  log_attempt(q, id, history_line(now, 'interrupted', cause, worker, f[2], f[3]))
  give_back(q, id, rank)
end

local function interrupt(q, now, id, rank)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'forgiven', 'key')
  local interrupts = redis.call('HINCRBY', job, 'interrupts', 1) - forgiven(f[1], 3)
  redis.call('HINCRBY', job, 'executions', 1)
  if interrupts >= MAX_INTERRUPTS then return die(q, now, id, 'interrupted', f[2]) end
  give_back(q, id, rank)
end

local function fate_of_known(q, now, id, rank, state, mode, cause, worker, stack)
  if state == 'running' then
    if mode == 'crash' then return crash(q, now, id, rank, cause, worker) end
    if mode == 'suspect' then return suspect(q, now, id, rank, cause, worker) end
    if mode == 'hung' then
      remember_end(q, now, id, 'hung', cause, worker, stack)
      return fail(q, now, id, 'hung', 0)
    end
    remember_end(q, now, id, 'interrupted', cause, worker)
    return interrupt(q, now, id, rank)
  end
  if state == 'succeeded' then
    local f = redis.call('HMGET', q .. 'job:' .. id, 'key', 'keep', 'name')
    count(q, now, 'done', 1)
    local keep = option(q, f[3], f[2], 'keep_ms')
    return succeed(q, now, id, f[1], keep, nil, 'its worker died before it could report the result')
  end
  if state == 'failed' then
    remember_end(q, now, id, 'failed', 'it raised, and its worker died before it could report the error', worker)
    return fail(q, now, id, 'failed', 0)
  end
  give_back(q, id, rank)
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
      note_attempt(q, id, attempt, taken)
      if not board then return suspect(q, now, id, rank, cause, worker) end
      fate_of_known(q, now, id, rank, current and entry[2] or 'unstarted', mode, cause, worker, stack)
    end)
  end
  redis.call('ZREM', q .. 'leases', worker)  -- last: an end that breaks off can be done again
  return #held / 2
end
