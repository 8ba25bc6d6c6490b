--: include core scheduled
-- Lists jobs of one queue in one state, a page at a time.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] state   ARGV[3] offset   ARGV[4] at most
-- Returns flat: total, offset of the next page or -1, then twelve items a job: id, score, worker id or "", and its
-- fields as named in FIELDS
-- First write: none
local FIELDS = { 'name', 'priority', 'enqueued', 'attempt', 'executions', 'error', 'reason', 'finished', 'held' }
local q, state, offset, most = prefix(KEYS[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local MOST_READ = 1000
local reply = { 0, -1 }

-- Members of an active set are "id attempt".
local function row(member, score, worker)
  local id, attempt = string.match(member, '(%S+) ?(%S*)')
  local f = redis.pcall('HMGET', q .. 'job:' .. id, unpack(FIELDS))  -- a record that is no hash has none
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = id, score, worker
  for i = 1, #FIELDS do reply[n + 3 + i] = f[i] or false end
  if attempt ~= '' then reply[n + 7] = attempt end
end

-- Returns how many members were read, and how many rows they make: the timer of a limit is no job.
local function page(key, from, size, worker)
  local found, rows = size > 0 and redis.call('ZRANGE', key, from, from + size - 1, 'WITHSCORES') or {}, 0
  for i = 1, #found, 2 do
    if string.sub(found[i], 1, 1) ~= '~' then
      row(found[i], found[i + 1], worker)
      rows = rows + 1
    end
  end
  return #found / 2, rows
end

if state ~= 'active' then
  local size, at = redis.call('ZCARD', q .. state), offset
  while most > 0 and at < math.min(size, offset + MOST_READ) do
    local read, rows = page(q .. state, at, most, '')
    at, most = at + read, most - rows
  end
  reply[1] = state == 'scheduled' and jobs_scheduled(q) or size
  reply[2] = at < size and at or -1
  return reply
end
local from = offset
for _, worker in ipairs(redis.call('ZRANGE', q .. 'leases', 0, 4999)) do
  local key = q .. 'active:' .. worker
  local size = redis.call('ZCARD', key)
  reply[1] = reply[1] + size
  if from < size then
    local _, rows = page(key, from, most, worker)
    most = most - rows
  end
  from = math.max(0, from - size)
end
local shown = offset + tonumber(ARGV[4]) - most
if most == 0 and shown < reply[1] then reply[2] = shown end
return reply
