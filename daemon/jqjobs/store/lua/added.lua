--: include core
-- Somebody asks for the schedules of one queue that were added at run time, the next to come first, paused ones last.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- ARGV[2] so many at most   ARGV[3] after so many others; or twice "", then the names asked for
-- Returns { now, how many there are, then four items for each: name, entry as JSON, how far it got or nil,
-- paused since (ms) or nil }
-- First write: none
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local reply, names = { now, redis.call('HLEN', q .. 'added') }, {}
if ARGV[2] == '' then
  for i = 4, #ARGV do names[i - 3] = ARGV[i] end
else
  names = redis.call('ZRANGE', q .. 'comes', ARGV[3], ARGV[3] + ARGV[2] - 1)
end
for _, name in ipairs(names) do
  local entry, n = redis.call('HGET', q .. 'added', name), #reply
  if entry then
    reply[n + 1], reply[n + 2] = name, entry
    reply[n + 3], reply[n + 4] = redis.call('HGET', q .. 'came', name), redis.call('HGET', q .. 'paused', name)
  end
end
return reply
