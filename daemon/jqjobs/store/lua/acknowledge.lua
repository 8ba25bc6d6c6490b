--: include core moving/arrived
-- The queue that these jobs came from knows what was answered: nobody brings them again but who has read them.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] the other queue   then the token of each
-- Returns how many are remembered
-- First write: ZREM, passes when Redis is full
local READ_FOR_MS = 60000  -- longer than anything that was read may be delivered (deliver.lua)
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)
for i = 3, #ARGV do remember_until(q, now + READ_FOR_MS, ARGV[2] .. ' ' .. ARGV[i]) end
return redis.call('ZCARD', q .. 'arrived')
