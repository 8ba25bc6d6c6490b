--: include core at_run_time
-- Removes a schedule that was added at run time. Jobs that it has made stay.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] its name
-- Returns 1 removed | 0 there is none of that name | -1 it is in the code of an app, which has it
-- First write: ZREM, passes when Redis is full
local q, name = prefix(KEYS[1]), ARGV[2]
allow_when_full(q)
local removed = forget_added(q, name)
local is_in_code = redis.call('HEXISTS', q .. 'schedule', name) == 1
if removed == 1 and not is_in_code then redis.call('HDEL', q .. 'paused', name) end
return removed == 0 and is_in_code and -1 or removed
