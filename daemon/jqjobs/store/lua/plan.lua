--: include core periodic
-- A worker that is ready publishes the schedules of one queue. One that is new, or comes at other times than before,
-- counts from now on. What nobody has offered for a year is forgotten.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] lease, ms   ARGV[3] which app   then pairs: name of a schedule, its entry as JSON
-- Returns the number of schedules known
-- First write: ZREM, passes when Redis is full
local FORGOTTEN_MS = 31536000000
local q, now, lease, app = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local changed = false
allow_when_full(q)

for i = 4, #ARGV, 2 do
  local name, entry = ARGV[i], ARGV[i + 1]
  local known = redis.call('HGET', q .. 'schedule', name)
  if known ~= entry then redis.call('HSET', q .. 'schedule', name, entry) end
  if not known or times_of(known) ~= times_of(entry) then count_from(q, name, now) end
  changed = changed or known ~= entry or not is_offered(q, now, name, app)
  redis.call('ZADD', q .. 'offers', now + lease, offer_of(q, name), now + lease, offer_of(q, name, app))
end

local flat = redis.call('HGETALL', q .. 'ticks')
for i = 1, #flat, 2 do
  local name, since = flat[i], tonumber(string.match(flat[i + 1], '^%d+')) or 0
  if since < now - FORGOTTEN_MS and not is_offered(q, now, name) then
    for _, part in ipairs({ 'schedule', 'ticks', 'paused' }) do redis.call('HDEL', q .. part, name) end
    changed = true
  end
end
if changed then agenda_changed(q) end
return redis.call('HLEN', q .. 'schedule')
