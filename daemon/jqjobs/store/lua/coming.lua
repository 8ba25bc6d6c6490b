--: include core
-- A daemon asks for the schedules added at run time that are to be looked at now.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] so many at most
-- Returns { now, then three items for each: name, entry as JSON or nil, how far it got or nil }
-- First write: none
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local reply = { now }
for _, name in ipairs(redis.call('ZRANGEBYSCORE', q .. 'comes', '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local n = #reply
  reply[n + 1], reply[n + 2] = name, redis.call('HGET', q .. 'added', name)
  reply[n + 3] = redis.call('HGET', q .. 'came', name)
end
return reply
