--: include core periodic at_run_time
-- Pauses or resumes one schedule. Paused, it enqueues nothing; what it missed meanwhile is not caught up on.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] its name   ARGV[3] "pause" | "resume"
-- Returns 1 when that changed something | 0 when it was so already | -1 there is no such schedule
-- First write: ZREM, passes when Redis is full; none when there is no such schedule
local q, now, name = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
local is_added = redis.call('HEXISTS', q .. 'added', name) == 1
if not is_added and redis.call('HEXISTS', q .. 'schedule', name) == 0 then return -1 end
allow_when_full(q)
local changed
if ARGV[3] == 'pause' then
  changed = redis.call('HSETNX', q .. 'paused', name, now)
else
  changed = redis.call('HDEL', q .. 'paused', name)
  if changed == 1 then count_from(q, name, now) end
end
if changed == 1 and is_added then
  if ARGV[3] == 'resume' then come_to(q, name, digits(now), select(3, read_added(q, name))) end
  let_come(q, name, ARGV[3] == 'pause' and NEVER or now)
end
if changed == 1 then agenda_changed(q) end
return changed
