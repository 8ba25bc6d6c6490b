--: include totals statistics options scheduled outcome/history outcome/give_back outcome/dead outcome/unreported_delay
-- A job ran when its worker died: it is charged a crash, or becomes a suspect. Who is which is decided by the daemon
-- (jobs/blame.py).
-- Gives: crash, suspect

-- It was its own doing. It waits, and comes behind what is ready by then, as after a failure. A suspect stays one, the
-- only one where it runs. share: see unreported_delay.lua.
local function crash(q, now, id, cause, worker, share)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'name', 'max_crashes', 'forgiven', 'key', 'suspect')
  local crashes = redis.call('HINCRBY', job, 'crashes', 1) - forgiven(f[3], 2)
  redis.call('HINCRBY', job, 'executions', 1)
  remember_end(q, now, id, 'crashed', cause, worker)
  count(q, now, 'failed', 1)
  count_unreported(q, now, id, 'crashed')
  if crashes >= option(q, f[1], f[2], 'max_crashes') then return die(q, now, id, 'crashed', f[4]) end
  if f[5] then redis.call('HSET', job, 'suspect', '1 ' .. (string.match(f[5], ' (%d+)$') or '1')) end
  schedule(q, id, now + growing(CRASH_MS, crashes, share))
end

-- Nobody knows whose doing it was. suspicion: "most scope": so many suspects may run at once, and at least this one,
-- among all of one worker (1), daemon (2), host (3).
local function suspect(q, now, id, rank, suspicion, cause, worker)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'attempt', 'taken')
  redis.call('HSET', job, 'suspect', suspicion, 'error', cause)
  redis.call('HINCRBY', job, 'executions', 1)
  count_unreported(q, now, id, 'interrupted')
  log_attempt(q, id, history_line(now, 'interrupted', cause, worker, f[1], f[2]))
  give_back(q, id, rank)
end
