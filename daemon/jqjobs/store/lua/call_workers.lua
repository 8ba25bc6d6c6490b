--: include mend
-- Says in the wake set of a pattern that there is something to do in queues: a worker takes the one that has had least.
-- KEYS[1] jq:{~}:wakes:<pattern>   KEYS[2] jq:{~}:served:<pattern>   ARGV[1] now (not used)   then names of queues
-- Returns how many were not in it
-- First write: ZREM, passes when Redis is full
local WAKES_TTL_MS = 3600000
local wakes, served, added = KEYS[1], KEYS[2], 0
set_aside(wakes, 'zset')
set_aside(served, 'zset')
redis.call('ZREM', wakes, '')
-- Who has had nothing lately is where the others are: it has saved nothing up, and owes nothing.
local reached = tonumber(redis.call('ZSCORE', served, '') or 0)
for i = 2, #ARGV do
  local had = tonumber(redis.call('ZSCORE', served, ARGV[i]) or reached)
  added = added + redis.call('ZADD', wakes, 'NX', had, ARGV[i])
end
redis.call('PEXPIRE', wakes, WAKES_TTL_MS)
redis.call('PEXPIRE', served, WAKES_TTL_MS)
return added
