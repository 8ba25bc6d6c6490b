--: include core
-- Notices have arrived; or what they ask for cannot be done now, and those behind them come first.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] how many have arrived   then these, then the others
-- Returns how many of those that have arrived were still to be told
-- First write: ZREM, passes when Redis is full
local q, now, arrived = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2])
allow_when_full(q)
for i = 3 + arrived, #ARGV do redis.call('ZADD', q .. 'notices', 'XX', now, ARGV[i]) end
return arrived > 0 and redis.call('ZREM', q .. 'notices', unpack(ARGV, 3, 2 + arrived)) or 0
