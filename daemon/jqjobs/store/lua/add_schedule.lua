--: include core periodic at_run_time
-- Adds a schedule at run time: nobody's code has it, and it comes until it is removed, or its end. A name that is taken
-- is not written over, unless the caller says so; one that an app has in its code never is.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] its name   ARGV[3] its entry as JSON
-- ARGV[4] "replace" to change one that is there, or ""
-- Returns 1 added | 2 changed | 0 it is there already, the same | -1 another one has that name
-- | -2 an app has one of that name in its code | -3 there are too many
-- First write: ZREM, passes when Redis is full; none when it is refused
local MOST_ADDED = 100000
local q, now, name, entry = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2], ARGV[3]
local known = read_added(q, name)
if known == entry then return 0 end
if redis.call('HEXISTS', q .. 'schedule', name) == 1 and is_offered(q, now, name) then return -2 end
if known and ARGV[4] ~= 'replace' then return -1 end
if not known and redis.call('HLEN', q .. 'added') >= MOST_ADDED then return -3 end

allow_when_full(q)
redis.call('HSET', q .. 'added', name, entry)
if not known or times_of(known) ~= times_of(entry) then
  local _, _, ran, id = read_added(q, name)
  come_to(q, name, digits(now), ran, id)
end
-- At once: a daemon works out when it comes.
let_come(q, name, redis.call('HEXISTS', q .. 'paused', name) == 1 and NEVER or now)
return known and 2 or 1
