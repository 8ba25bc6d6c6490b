--: include core mend partitions
-- A queue has other partitions from now on: its home says so, and takes no new jobs of producers any more.
-- KEYS[1] the meta key of its home   ARGV[1] now (not used)   ARGV[2] what must be set by now, "" for nothing
-- ARGV[3] what is to be set (jobs/partitions.py)
-- Returns 1, or 0: something else is set
-- First write: ZREM, passes when Redis is full
local q = prefix(KEYS[1])
allow_when_full(q)
set_aside(q .. 'settings', 'hash')
if (partitions_of(q) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', q .. 'settings', 'partitions', ARGV[3])
return 1
