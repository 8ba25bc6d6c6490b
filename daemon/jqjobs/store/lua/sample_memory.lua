--: include core mend
-- A daemon notes how much memory Redis takes: one sample a minute, whoever comes first. `jqctl doctor` tells from those
-- of the last hour when Redis will be full.
-- KEYS[1] jq:{~}:memory   ARGV[1] now, ms, or ""   ARGV[2] bytes in use
-- Returns 1 noted | 0 this minute has its sample
-- First write: ZREM, passes when Redis is full; none when this minute has its sample
local KEPT, KEPT_MS = 60, 3600000
local minute = math.floor(clock(ARGV[1]) / 60000)
set_aside(KEYS[1], 'zset')
if #redis.call('ZRANGEBYSCORE', KEYS[1], minute, minute, 'LIMIT', 0, 1) > 0 then return 0 end
redis.call('ZREM', KEYS[1], '')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', minute - KEPT)
redis.call('ZREMRANGEBYSCORE', KEYS[1], minute + 1, '+inf')  -- the clock of Redis was set back
redis.call('ZADD', KEYS[1], minute, digits(minute) .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], KEPT_MS)
return 1
