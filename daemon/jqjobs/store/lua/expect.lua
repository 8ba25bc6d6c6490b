--: include core
-- A running attempt records the token of an answer that somebody will send, before it hands its work over.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)
-- ARGV[2] worker id   ARGV[3] job id   ARGV[4] attempt   ARGV[5] token
-- Returns 1 recorded | 0 this attempt does not have the job in hand any more
-- First write: ZREM, passes when Redis is full; none when it returns 0
local q, worker, id, attempt = prefix(KEYS[1]), ARGV[2], ARGV[3], ARGV[4]
if not redis.call('ZSCORE', q .. 'active:' .. worker, id .. ' ' .. attempt) then return 0 end
allow_when_full(q)
redis.call('HSET', q .. 'job:' .. id, 'token', attempt .. ' ' .. ARGV[5])
return 1
