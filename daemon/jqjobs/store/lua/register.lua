--: include core mend signs_of_life
-- A daemon says that it is there, and what its workers do: all of it. Entries expire by themselves.
-- KEYS[1] jq:{~}:daemons   KEYS[2] jq:{~}:daemon:<id>   KEYS[3…] jq:{~}:worker:<id> of each worker
-- ARGV[1] now, ms, or ""   ARGV[2] time to live, ms; 0 removes everything   ARGV[3] daemon id
-- then for KEYS[2] and each further key: number of items, then field names and values
-- Returns 1 | 2: somebody registered later than now, so the clock was set back; only one that stays is told
-- First write: ZREM, passes when Redis is full
local now, ttl, daemon = clock(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
set_aside(KEYS[1], 'zset')
redis.call('ZREM', KEYS[1], ttl == 0 and daemon or '')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600000)
local ahead = ttl > 0 and heard_ahead(KEYS[1], now) or {}
set_back(KEYS[1], now, ahead)
redis.call('DEL', unpack(KEYS, 2))
local at = 4
for i = 2, ttl > 0 and #KEYS or 0 do at = write_entry(KEYS[i], at, i == 2 and ttl or nil) end
if ttl > 0 then redis.call('ZADD', KEYS[1], now, daemon) end
return #ahead > 0 and 2 or 1
