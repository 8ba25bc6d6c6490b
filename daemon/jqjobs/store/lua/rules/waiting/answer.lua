--: include core waiting/async_wait waiting/leave_waiting
-- An answer comes for a job that waits for a third party, or will.
-- Gives: resolve

local function state_of(q, id)
  if redis.call('ZSCORE', q .. 'transfers', id) then return 'moving' end
  for _, state in ipairs({ 'ready', 'scheduled', 'held', 'parked', 'suspects', 'dead', 'kept' }) do
    if redis.call('ZSCORE', q .. state, id) then return state end
  end
  return 'active'
end

local function text_of(bytes)
  if type(bytes) == 'function' then return bytes() end
  return bytes
end

-- It does not wait yet: the answer is kept for when it does. attempt: the one that runs.
local function keep_answer(q, id, attempt, recorded, answer, token, kind, bytes)
  local expected = of_attempt(recorded, attempt)
  if not expected or token == '' then return state_of(q, id) end
  if token ~= expected then return 'token' end
  if of_attempt(answer, attempt) then return 'answered' end
  bytes = text_of(bytes)
  if not bytes then return 'bytes' end
  redis.call('HSET', q .. 'job:' .. id, 'answer', digits(attempt) .. ' ' .. kind .. '\n' .. bytes)
  return 'early'
end

-- bytes: text, or a function that returns it or false. token: "" when there is none, as who is trusted may do while
-- the job waits. kind: "result" or "failed", see end_wait. Returns one word:
--   "resolved" | "early": kept for when the attempt, which still runs, will wait | refused: "unknown" | "late" |
--   "token": it is not the one that this attempt has recorded | "answered": it was used | "bytes": there are
--   none | the state the job is in
local function resolve(q, now, id, token, kind, bytes, is_trusted)
  local f = redis.pcall('HMGET', q .. 'job:' .. id, 'name', 'attempt', 'token', 'answer')
  if not f[1] then return 'unknown' end
  local deadline, attempt = redis.call('ZSCORE', q .. 'waiting', id), tonumber(f[2]) or 0
  -- A running attempt is one more than the field says (trip/take.lua).
  if not deadline then return keep_answer(q, id, attempt + 1, f[3], f[4], token, kind, bytes) end
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
