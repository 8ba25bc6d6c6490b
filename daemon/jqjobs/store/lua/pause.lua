--: include core wake
-- Pauses or resumes one queue. Paused: nothing is taken; running jobs go on, new ones are accepted.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] "pause" | "resume"
-- Returns 1 when that changed something, 0 when it was so already
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)
local changed
if ARGV[2] == 'pause' then
  changed = redis.call('HSETNX', q .. 'meta', 'paused', now)
else
  changed = redis.call('HDEL', q .. 'meta', 'paused')
end
update_wake(q)
return changed
