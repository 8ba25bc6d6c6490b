--: include prelude
-- Lists jobs of one queue in one state, a page at a time.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] state   ARGV[3] offset   ARGV[4] at most
-- Returns { total, then for each job: id, score, worker id or "", and its fields as named in FIELDS (flat) }
local FIELDS = { 'name', 'priority', 'enqueued', 'attempt', 'executions', 'error', 'reason', 'finished' }
local q, state, offset, most = prefix(KEYS[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local reply = { 0 }

-- Members of an active set are "id attempt".
local function row(member, score, worker)
  local id, attempt = string.match(member, '(%S+) ?(%S*)')
  local f = redis.call('HMGET', q .. 'job:' .. id, unpack(FIELDS))
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = id, score, worker
  for i = 1, #FIELDS do reply[n + 3 + i] = f[i] end
  if attempt ~= '' then reply[n + 7] = attempt end
end

local function page(key, from, size, worker)
  local found = size > 0 and redis.call('ZRANGE', key, from, from + size - 1, 'WITHSCORES') or {}
  for i = 1, #found, 2 do row(found[i], found[i + 1], worker) end
  return #found / 2
end

if state ~= 'active' then
  reply[1] = redis.call('ZCARD', q .. state)
  page(q .. state, offset, most, '')
  return reply
end
for _, worker in ipairs(redis.call('ZRANGE', q .. 'leases', 0, 4999)) do
  local key = q .. 'active:' .. worker
  local size = redis.call('ZCARD', key)
  reply[1] = reply[1] + size
  if offset < size then most = most - page(key, offset, most, worker) end
  offset = math.max(0, offset - size)
end
return reply
