--: include core mend
-- Says in the wake set of a pattern that there is something to do in queues: an idle worker takes one from there.
-- KEYS[1] jq:{~}:wakes:<pattern>   ARGV[1] now, ms, or ""   then names of queues
-- Returns how many were not in it
-- First write: ZREM, passes when Redis is full
local WAKES_TTL_MS = 3600000
local key, now, added = KEYS[1], clock(ARGV[1]), 0
set_aside(key, 'zset')
redis.call('ZREM', key, '')
for i = 2, #ARGV do added = added + redis.call('ZADD', key, 'NX', now, ARGV[i]) end
redis.call('PEXPIRE', key, WAKES_TTL_MS)
return added
