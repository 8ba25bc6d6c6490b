--: include core
-- Rows have left their outbox. Nobody reads them from now on; the markers stay for who has read them before.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   ARGV[2] how long that is, ms   then the ids
-- Returns how many markers there were
-- First write: PEXPIRE, passes when Redis is full
local q, found = prefix(KEYS[1]), 0
for n = 3, #ARGV do found = found + redis.call('PEXPIRE', q .. 'relayed:' .. ARGV[n], ARGV[2]) end
return found
