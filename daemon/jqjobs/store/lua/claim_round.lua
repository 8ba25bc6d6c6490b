--: include core mend
-- Of all daemons that would do the same one does it, the same one as long as it does: those that serve queues by the
-- same patterns look at all of them, those that serve the same queues keep house there and tick.
-- KEYS[1] jq:{~}:rounds   ARGV[1] now, ms, or ""   ARGV[2] which round   ARGV[3] daemon id
-- ARGV[4] after so long, ms, another daemon may do it; 0: this one does not any more
-- Returns 1 it is the caller's | 0 another one is at it
-- First write: HDEL, passes when Redis is full; none when another one is at it
local FORGOTTEN_MS = 3600000
local key, now, name = KEYS[1], clock(ARGV[1]), ARGV[2]
set_aside(key, 'hash')
local since, daemon = string.match(redis.call('HGET', key, name) or '', '^(%d+) (%S+)$')
local age = now - (tonumber(since) or -math.huge)
if since and daemon ~= ARGV[3] and age >= 0 and age < tonumber(ARGV[4]) then return 0 end
redis.call('HDEL', key, ARGV[4] == '0' and daemon == ARGV[3] and name or '')
if ARGV[4] == '0' then return 0 end
local rounds = redis.call('HGETALL', key)
for i = 1, #rounds, 2 do
  local last = tonumber(string.match(rounds[i + 1], '^%d+') or nil) or 0
  if math.abs(now - last) > FORGOTTEN_MS then redis.call('HDEL', key, rounds[i]) end
end
redis.call('HSET', key, name, digits(now) .. ' ' .. ARGV[3])
return 1
