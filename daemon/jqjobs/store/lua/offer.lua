--: include core mend rosters
-- A daemon says what the workers of an app offer in one queue, all of it: a roster, which it renews by its digest from
-- now on (renew.lua).
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] lease, ms   ARGV[3] its digest   then job names, "name signature" of each,
--   "~queue/name" and "~queue/name app" of schedules
-- Returns how many they are
-- First write: ZREM, passes when Redis is full
local AT_ONCE = 1000
local q, now, digest = prefix(KEYS[1]), clock(ARGV[1]), ARGV[3]
local key = q .. 'roster:' .. digest
allow_when_full(q)
set_aside(key, 'zset')
for first = 4, #ARGV, AT_ONCE do
  local members = {}
  for i = first, math.min(first + AT_ONCE - 1, #ARGV) do members[#members + 1], members[#members + 2] = 0, ARGV[i] end
  redis.call('ZADD', key, unpack(members))
end
redis.call('PEXPIRE', key, ROSTER_TTL_MS)
renew_roster(q, now, tonumber(ARGV[2]), digest)
return redis.call('ZCARD', key)
