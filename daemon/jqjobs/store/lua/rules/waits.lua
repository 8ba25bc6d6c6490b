-- Jobs that have handed their work to a third party, and the answers that come for them.
-- `token` and `answer` of a job begin with the attempt they belong to, and count for no other one.

-- Returns what a field says of this attempt, or nil.
local function of_attempt(field, attempt)
  local which, rest = string.match(field or '', '^(%d+) (.*)$')
  return which and tonumber(which) == attempt and rest or nil
end

-- The wait of a job is over, and it has left `waiting`. kind: "result" with its bytes as JSON, "failed" or
-- "deadline" with an error; both are failures like any other.
local function end_wait(q, now, id, kind, bytes)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'key', 'keep', 'name', 'wait_backoff')
  redis.call('HDEL', job, 'token', 'answer', 'wait_backoff')
  if kind == 'result' then
    count(q, now, 'done', 1)
    return succeed(q, now, id, f[1], option(q, f[3], f[2], 'keep_ms'), bytes)
  end
  remember_end(q, now, id, kind, bytes)
  fail(q, now, id, kind, tonumber(f[4]) or 0)
end

-- A job has just left an active set and waits, unless its answer was quicker. backoff: ms until it is tried
-- again if it fails; only its worker knows that rule.
local function enter_waiting(q, now, id, ms, backoff)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'attempt', 'answer')
  redis.call('HDEL', job, 'suspect')
  if backoff > 0 then redis.call('HSET', job, 'wait_backoff', backoff) end
  local kind, bytes = string.match(of_attempt(f[2], tonumber(f[1])) or '', '^(%a+)\n(.*)$')
  if kind then return end_wait(q, now, id, kind, bytes) end
  redis.call('ZADD', q .. 'waiting', now + ms, id)
end

local function leave_waiting(q, now, id, kind, bytes)
  redis.call('ZREM', q .. 'waiting', id)
  unless_damaged(q, now, id, function() end_wait(q, now, id, kind, bytes) end)
end

local function pass_deadline(q, now, id) leave_waiting(q, now, id, 'deadline', 'nobody answered in time') end

-- Returns whether there may be more.
local function pass_deadlines(q, now, most)
  local late = redis.call('ZRANGEBYSCORE', q .. 'waiting', '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(late) do pass_deadline(q, now, id) end
  return #late == most
end

local function state_of(q, id)
  for _, state in ipairs({ 'ready', 'scheduled', 'held', 'parked', 'dead', 'kept' }) do
    if redis.call('ZSCORE', q .. state, id) then return state end
  end
  return 'active'
end

local function text_of(bytes)
  if type(bytes) == 'function' then return bytes() end
  return bytes
end

-- An answer comes. bytes: text, or a function that returns it or false. token: "" when there is none, which somebody who is trusted may do while the job waits.
-- kind: "result" or "failed", see end_wait. Returns one word:
--   "resolved" | "early": kept for when the attempt, which still runs, will wait | refused: "unknown" | "late" |
--   "token": it is not the one that this attempt has recorded | "answered": it was used | "bytes": there are
--   none | the state the job is in
local function resolve(q, now, id, token, kind, bytes, is_trusted)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'name', 'attempt', 'token', 'answer')
  if not f[1] then return 'unknown' end
  local deadline, attempt = redis.call('ZSCORE', q .. 'waiting', id), tonumber(f[2]) or 0
  if deadline then
    local forgotten = token == '' and is_trusted
    if not forgotten and (token == '' or token ~= of_attempt(f[3], attempt)) then return 'token' end
    if tonumber(deadline) <= now then
      pass_deadline(q, now, id)
      return 'late'
    end
    bytes = text_of(bytes)
    if not bytes then return 'bytes' end
    leave_waiting(q, now, id, kind, bytes)
    return 'resolved'
  end
  -- The running attempt is one more than the field says (take.lua).
  local expected = of_attempt(f[3], attempt + 1)
  if not expected or token == '' then return state_of(q, id) end
  if token ~= expected then return 'token' end
  if of_attempt(f[4], attempt + 1) then return 'answered' end
  bytes = text_of(bytes)
  if not bytes then return 'bytes' end
  redis.call('HSET', job, 'answer', digits(attempt + 1) .. ' ' .. kind .. '\n' .. bytes)
  return 'early'
end
