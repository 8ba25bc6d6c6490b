--: include core wake flow/settle_batch
-- A batch begins, in the queue that is its home; members may have been told of before.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] id   ARGV[3] who opens it: random text
-- ARGV[4] what follows when a member is dead: "wait", "cancel" or "go"   ARGV[5] ms that it is kept when it is over
-- ARGV[6], ARGV[7] steps that begin when all members have succeeded, and when all have ended (rules/flow/steps.lua)
-- Returns 1 open, by this one | 0 there is one of this name
-- First write: ZREM, passes when Redis is full; none when it returns 0
local q, now, id = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
local batch = q .. 'batch:' .. id
local opened = redis.call('HGET', batch, 'opened')
if opened then return opened == ARGV[3] and 1 or 0 end
allow_when_full(q)
redis.call('HSETNX', batch, 'created', now)
redis.call('HSET', batch, 'opened', ARGV[3], 'on_dead', ARGV[4], 'keep', ARGV[5], 'then', ARGV[6], 'always', ARGV[7])
redis.call('ZADD', q .. 'batches', '+inf', id)
settle_batch(q, now, id)
update_wake(q)
return 1
