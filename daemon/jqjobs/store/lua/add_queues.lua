--: include mend
-- Adds queues to the known ones.
-- KEYS[1] jq:{~}:queues
-- ARGV[1] now (not used), then queue names
-- Returns how many were new.
-- First write: SREM, passes when Redis is full
set_aside(KEYS[1], 'set')
redis.call('SREM', KEYS[1], '')
local new = 0
for n = 2, #ARGV, 1000 do  -- Lua's stack has room for 8,000 values
  new = new + redis.call('SADD', KEYS[1], unpack(ARGV, n, math.min(n + 999, #ARGV)))
end
return new
