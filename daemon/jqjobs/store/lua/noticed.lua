--: include core
-- Notices have arrived.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   then notices
-- Returns how many of them were still to be told
-- First write: ZREM, passes when Redis is full
local q = prefix(KEYS[1])
allow_when_full(q)
return redis.call('ZREM', q .. 'notices', unpack(ARGV, 2))
