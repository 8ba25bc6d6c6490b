--: include mend
-- Somebody was told of something (claim_alert.lua).
-- KEYS[1] jq:{~}:alerts   ARGV[1] now (not used)   ARGV[2] name of the alert
-- ARGV[3] the moment up to which all of it was told, ms
-- Returns 1
-- First write: ZREM, passes when Redis is full
set_aside(KEYS[1], 'zset')
redis.call('ZREM', KEYS[1], 'claimed ' .. ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[3], 'told ' .. ARGV[2])
return 1
