--: include core mend
-- Gives a worker its lease in one queue, once: a worker id is never joined again after it left or was reaped.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] worker id   ARGV[3] lease, ms
-- Returns 1 joined (or joined already) | 0 refused: this worker was here before and is gone
-- First write: ZREM, passes when Redis is full
local TRIP_TTL_MS = 86400000      -- how long a packet that outlives its sender is recognised
local q, now, worker = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
redis.pcall('ZREM', q .. 'leases', '')
mend(q, { ['trip:' .. worker] = 'string' })
local fresh = redis.call('SET', q .. 'trip:' .. worker, 0, 'NX', 'PX', TRIP_TTL_MS)
if not fresh and (tonumber(redis.call('ZSCORE', q .. 'leases', worker) or nil) or 0) == 0 then return 0 end
redis.call('ZADD', q .. 'leases', now + tonumber(ARGV[3]), worker)
return 1
