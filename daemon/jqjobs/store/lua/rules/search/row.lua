-- One job of a list, as the store reads it (reads/search.py).
-- Gives: add_row

local ROW = { 'name', 'priority', 'enqueued', 'attempt', 'executions', 'error', 'reason', 'finished', 'held', 'due',
  'key', 'tags', 'fair' }

-- attempt: that of an active job, else "". Adds sixteen items a job to an answer: id, score, worker id or "", then its
-- fields as named in ROW.
local function add_row(reply, job, id, attempt, score, worker)
  local f, n = redis.pcall('HMGET', job, unpack(ROW)), #reply  -- a record that is no hash has none
  reply[n + 1], reply[n + 2], reply[n + 3] = id, score, worker
  for i = 1, #ROW do reply[n + 3 + i] = f[i] or false end
  if attempt ~= '' then reply[n + 7] = attempt end
end
