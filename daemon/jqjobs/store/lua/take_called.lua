-- Takes queues out of the wake set of a pattern: a worker goes there. Those that have been in it longest come first.
-- KEYS[1] jq:{~}:wakes:<pattern>   ARGV[1] now (not used)   ARGV[2] so many at most
-- Returns names of queues
-- First write: ZREM, passes when Redis is full; none when there are none
local called = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)
if #called > 0 then redis.call('ZREM', KEYS[1], unpack(called)) end
return called
