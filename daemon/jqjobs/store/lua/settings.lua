--: include core mend
-- What people say of one queue, instead of what its daemons say of all: what it keeps, and how much of it may wait.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   then pairs: name, number, or "" for none of its own
-- Returns flat: names and numbers as they are now
-- First write: ZREM, passes when Redis is full
local q = prefix(KEYS[1])
allow_when_full(q)
set_aside(q .. 'settings', 'hash')
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', q .. 'settings', ARGV[i])
  else
    redis.call('HSET', q .. 'settings', ARGV[i], ARGV[i + 1])
  end
end
return redis.call('HGETALL', q .. 'settings')
