--: include totals options outcome/history outcome/give_back outcome/dead
-- A job was running when its worker died. Counts the crash, or makes the job a suspect.
-- Gives: crash, suspect

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
