-- What becomes of a job that is out of a worker's hands. Each function expects that the job
-- has just left the active set, and puts it into exactly one other state.

local MOST_HOOKS = 1000  -- dead jobs that wait for a worker to call their hooks

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

-- A job that gave its coalescing key away when it was taken, and did not run, has it again unless another
-- one has it by now.
local function retake_key(q, id)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'coalesce', 'key')
  if f[1] == 'queued' and f[2] and not holder_of(q, f[2]) then redis.call('HSET', q .. 'unique', f[2], id) end
end

local function give_back_unrun(q, id, rank)
  give_back(q, id, rank)
  retake_key(q, id)
end

-- Tells those who wait for a job (result.lua) that it is over. Who may not publish loses nothing but time:
-- they look again by themselves.
local function announce(q, id) redis.pcall('PUBLISH', q .. 'over:' .. id, '1') end

local told = false  -- whether the caller hears what becomes of the job (settle.lua), and calls its hooks itself

-- A job with hooks that died behind the back of its worker: some worker calls on_failure later (deaths.lua).
-- Only names that say so in the catalog; bounded, the oldest go.
local function leave_to_hooks(q, now, id, reason)
  local name = redis.call('HGET', q .. 'job:' .. id, 'name')
  if told or reason == 'cancelled' or not published(q, name).hooks then return end
  redis.call('ZADD', q .. 'hooks', now, id .. ' ' .. name)
  redis.call('ZREMRANGEBYRANK', q .. 'hooks', 0, -1 - MOST_HOOKS)
end

local function die(q, now, id, reason, key)
  if key and redis.call('HGET', q .. 'job:' .. id, 'coalesce') ~= 'stored' then free_key(q, id, key) end
  redis.call('HSET', q .. 'job:' .. id, 'reason', reason, 'finished', now)
  redis.call('ZADD', q .. 'dead', now, id)
  leave_to_hooks(q, now, id, reason)
  if redis.call('HDEL', q .. 'job:' .. id, 'suspect', 'awaited', 'cancel', 'token', 'answer', 'wait_backoff') > 0 then announce(q, id) end
end

-- A cancelled job that did not succeed first is out of its worker's hands: that is final, however it got there.
local function end_cancelled(q, now, id, has_run)
  local job = q .. 'job:' .. id
  if has_run then redis.call('HINCRBY', job, 'executions', 1) end
  die(q, now, id, 'cancelled', redis.call('HGET', job, 'key'))
end

local function succeed(q, now, id, key, keep, result, missing)
  if not keep then return forget(q, id, key) end
  local job = q .. 'job:' .. id
  free_key(q, id, key)
  local f = redis.call('HMGET', job, 'executions', 'awaited', 'cancel')
  redis.call('HSET', job, 'executions', (tonumber(f[1]) or 0) + 1, 'finished', now,
    missing and 'result_missing' or 'result', missing or result)
  redis.call('ZADD', q .. 'kept', now + keep, id)
  if f[2] or f[3] then redis.call('HDEL', job, 'awaited', 'cancel') end
  if f[2] then announce(q, id) end
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
