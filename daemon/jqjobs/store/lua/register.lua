--: include core mend
-- A daemon says that it is there, and what its workers do. Entries expire by themselves.
-- KEYS[1] jq:{~}:daemons   KEYS[2] jq:{~}:daemon:<id>   KEYS[3…] jq:{~}:worker:<id> of each worker
-- ARGV[1] now, ms, or ""   ARGV[2] time to live, ms; 0 removes everything   ARGV[3] daemon id
-- then for KEYS[2] and each further key: number of items, then field names and values
-- Returns 1 | 2: somebody registered later than now, so the clock was set back; only one that stays is told
-- First write: ZREM, passes when Redis is full
local AHEAD_MS, MOST_AHEAD = 1000, 1000
local now, ttl, daemon = clock(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
set_aside(KEYS[1], 'zset')
redis.call('ZREM', KEYS[1], ttl == 0 and daemon or '')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600000)
local ahead = ttl > 0 and redis.call('ZRANGEBYSCORE', KEYS[1], now + AHEAD_MS, '+inf', 'LIMIT', 0, MOST_AHEAD) or {}
for _, other in ipairs(ahead) do redis.call('ZADD', KEYS[1], now, other) end
local at = 4
for i = 2, #KEYS do
  local items = tonumber(ARGV[at])
  redis.call('DEL', KEYS[i])
  if ttl > 0 and items > 0 then
    redis.call('HSET', KEYS[i], unpack(ARGV, at + 1, at + items))
    redis.call('PEXPIRE', KEYS[i], ttl)
  end
  at = at + 1 + items
end
if ttl > 0 then redis.call('ZADD', KEYS[1], now, daemon) end
return #ahead > 0 and 2 or 1
