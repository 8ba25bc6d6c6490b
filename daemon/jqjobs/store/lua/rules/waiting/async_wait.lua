--: include record totals options recent outcome/history outcome/succeed outcome/fail
-- Jobs that hand their work to a third party: how their wait begins, and what its end makes of them.
-- `token` and `answer` of a job begin with the attempt they belong to, and count for no other one.
-- Gives: of_attempt, end_wait, enter_waiting

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
  local wrong = wrong_number('wait_backoff', f[4])
  if wrong then error(wrong, 0) end
  redis.call('HDEL', job, 'token', 'answer', 'wait_backoff')
  if kind == 'result' then
    count(q, now, 'done', 1)
    note_end(q, now, id, f[3], 'done')
    return succeed(q, now, id, f[1], option(q, f[3], f[2], 'keep_ms'), bytes)
  end
  remember_end(q, now, id, kind, bytes)
  if f[4] then
    fail(q, now, id, kind, tonumber(f[4]))
  else
    fail_unreported(q, now, id, kind, 0.75)
  end
  note_end(q, now, id, f[3], redis.call('ZSCORE', q .. 'dead', id) and 'failed' or 'retried')
end

-- A job has just left an active set and waits, unless its answer was quicker. again_ms: until it is tried
-- again if it fails, nil when its worker did not live to say.
local function enter_waiting(q, now, id, ms, again_ms)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'attempt', 'answer')
  redis.call('HDEL', job, 'suspect', 'lost', 'refused')
  if again_ms then redis.call('HSET', job, 'wait_backoff', again_ms) end
  local kind, bytes = string.match(of_attempt(f[2], tonumber(f[1])) or '', '^(%a+)\n(.*)$')
  if kind then return end_wait(q, now, id, kind, bytes) end
  redis.call('ZADD', q .. 'waiting', now + ms, id)
end
