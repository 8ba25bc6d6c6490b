--: include core periodic at_run_time
-- A daemon, or a person, asks for the schedules of one queue. Daemons ask every few seconds: while nothing has
-- changed that is one small question.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] the number it knows, or "" to be told all
-- Returns { now, number, when the first of those added at run time comes (ms) or -1 } when that is the number it knows,
-- else also seven items for each schedule in code:
--   name, entry as JSON, how far it got ("since ran id", see rules/periodic.lua) or nil, paused since (ms) or nil,
--   1 if a live worker offers it, else 0, the apps of those that do, with a space between them,
--   1 if one of that name was added at run time, else 0
-- First write: none
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local number = redis.call('HGET', q .. 'meta', 'agenda') or '0'
local reply, n = { now, number, first_to_come(q) }, 3
if number == ARGV[2] then return reply end
local flat, apps = redis.call('HGETALL', q .. 'schedule'), apps_by_offer(q, now)
for i = 1, #flat, 2 do
  local name = flat[i]
  reply[n + 1], reply[n + 2] = name, flat[i + 1]
  reply[n + 3] = redis.call('HGET', q .. 'ticks', name)
  reply[n + 4] = redis.call('HGET', q .. 'paused', name)
  reply[n + 5] = is_offered(q, now, name) and 1 or 0
  reply[n + 6] = apps[offer_of(q, name)] or ''
  reply[n + 7] = redis.call('HEXISTS', q .. 'added', name)
  n = n + 7
end
return reply
