--: include core mend
-- Gives a worker its lease in one queue, once: a worker id is never joined again after it left or was reaped. Only one
-- that has let go of a queue (step_out.lua) may come back.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] worker id   ARGV[3] lease, ms
-- ARGV[4] of one that comes by its turn: a digest of what it offers; it takes the wake token along
-- Returns 1 joined (or joined already) | 2 the same, and what it offers is to be published here
-- | 0 refused: this worker was here before and is gone
-- First write: ZREM, passes when Redis is full
local TRIP_TTL_MS = 86400000      -- how long a packet that outlives its sender is recognised
local q, now, worker, digest = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2], ARGV[4]
local trip = q .. 'trip:' .. worker
redis.pcall('ZREM', q .. 'leases', '')
mend(q, { ['trip:' .. worker] = 'string' })
local fresh = redis.call('SET', trip, 0, 'NX', 'PX', TRIP_TTL_MS)
local deadline = tonumber(redis.call('ZSCORE', q .. 'leases', worker) or nil)
if deadline and deadline <= 0 then return 0 end  -- it is being ended (rules/workers/dead_worker.lua)
if not fresh and not deadline then
  local last = string.match(redis.call('GET', trip), '^(.*) out$')
  if not last then return 0 end
  redis.call('SET', trip, last, 'PX', TRIP_TTL_MS)
end
redis.call('ZADD', q .. 'leases', now + tonumber(ARGV[3]), worker)
if not digest then return 1 end
redis.call('ZREM', q .. 'wake', '1')
local is_published = redis.call('HGET', q .. 'meta', 'offered') == digest and redis.call('EXISTS', q .. 'catalog') == 1
return is_published and 1 or 2
