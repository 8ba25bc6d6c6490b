--: include core wake flow/settle_batch flow/and_leaving
-- Nobody adds to a batch any more but its members: it is closed when so many adds have arrived in its home.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] id   ARGV[3] how many were added
-- Returns { 1 noted | 0 somebody has closed it before | -1 there is none; "leaving", see rules/flow/and_leaving.lua }
-- First write: ZREM, passes when Redis is full; none unless it returns 1
local q, now, id = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
local batch = q .. 'batch:' .. id
if redis.call('HEXISTS', batch, 'opened') == 0 then return { -1 } end
if redis.call('HEXISTS', batch, 'expected') == 1 then return { 0 } end
allow_when_full(q)
redis.call('HSET', batch, 'expected', ARGV[3])
settle_batch(q, now, id)
update_wake(q)
return and_leaving(q, { 1 })
