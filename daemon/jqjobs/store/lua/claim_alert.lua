--: include core mend
-- Somebody is to be told of something: of all daemons the first one does it, and nobody for a while after.
-- KEYS[1] jq:{~}:alerts   ARGV[1] now, ms, or ""   ARGV[2] name of the alert
-- ARGV[3] so long it is not told again, ms   ARGV[4] so long others leave it to the caller, ms
-- Returns 1 the caller tells it | 0 it was told lately, or another one is at it
-- First write: ZREM, passes when Redis is full; none when the answer is 0
local key, now, name = KEYS[1], clock(ARGV[1]), ARGV[2]
set_aside(key, 'zset')
local told = tonumber(redis.call('ZSCORE', key, 'told ' .. name) or nil)
local claimed = tonumber(redis.call('ZSCORE', key, 'claimed ' .. name) or nil)
-- What lies in the future was written before the clock of Redis was set back.
if told and told <= now and now - told < tonumber(ARGV[3]) then return 0 end
if claimed and claimed > now and claimed - now <= tonumber(ARGV[4]) then return 0 end
redis.call('ZREM', key, '')
redis.call('ZADD', key, now + ARGV[4], 'claimed ' .. name)
return 1
