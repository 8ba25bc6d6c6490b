--: include core wake flow/settle_batch
-- A person cancels a batch: it is closed, and who takes notices along (notices.lua) cancels its open members, wherever
-- they are. What is to come when all have ended comes; what is to come when all have succeeded does not.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] id
-- Returns 1 cancelled, or it was before | 0 it is over | -1 there is none
-- First write: ZREM, passes when Redis is full; none unless it returns 1
local q, now, id = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
local batch = q .. 'batch:' .. id
if redis.call('HEXISTS', batch, 'opened') == 0 then return -1 end
if redis.call('HEXISTS', batch, 'over') == 1 then return 0 end
allow_when_full(q)
redis.call('HSET', batch, 'cancelled', now, 'expected', 0)
settle_batch(q, now, id)
update_wake(q)
return 1
