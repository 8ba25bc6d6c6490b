--: include core periodic
-- A daemon renews the leases of its workers in one queue, and the offer of the job names they register, and of
-- their schedules.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] lease, ms   ARGV[3] number of workers, then their ids, then job names,
--   "name signature" of each, "~queue/name" and "~queue/name app" of schedules
-- Returns for each worker how many jobs it has in hand here, or -1: it has no lease any more (fenced)
-- First write: ZREM, passes when Redis is full
local TRIP_TTL_MS, CATALOG_TTL_MS = 86400000, 604800000
local q, now, lease, workers = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local reply = {}
allow_when_full(q)
for i = 1, workers do
  local worker = ARGV[3 + i]
  reply[i] = -1
  local until_ms = redis.call('ZSCORE', q .. 'leases', worker)
  if until_ms and until_ms ~= '0' then  -- at 0 it is being ended (rules/workers/dead_worker.lua)
    redis.call('ZADD', q .. 'leases', now + lease, worker)
    redis.call('PEXPIRE', q .. 'trip:' .. worker, TRIP_TTL_MS)
    reply[i] = redis.call('ZCARD', q .. 'active:' .. worker)
  end
end
for i = 4 + workers, #ARGV do
  local until_ms = tonumber(redis.call('ZSCORE', q .. 'offers', ARGV[i]) or 0)
  if until_ms <= now then
    if string.sub(ARGV[i], 1, 1) == '~' then agenda_changed(q) else redis.call('HSET', q .. 'meta', 'unpark', 0) end
  end
  redis.call('ZADD', q .. 'offers', 'GT', now + lease, ARGV[i])
end
redis.call('PEXPIRE', q .. 'catalog', CATALOG_TTL_MS)
return reply
