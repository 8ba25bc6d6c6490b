--: include core wake
-- A worker steps out of a queue that it came to by its turn, and in which it has nothing in hand. It may join again.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   ARGV[2] worker id
-- Returns 1 it is out | 0 it has jobs in hand, and stays | -1 it had no lease
-- First write: ZREM, passes when Redis is full; none unless the answer is 1
local q, worker = prefix(KEYS[1]), ARGV[2]
local trip = q .. 'trip:' .. worker
local deadline = tonumber(redis.call('ZSCORE', q .. 'leases', worker) or nil) or 0
if deadline <= 0 then return -1 end  -- none, or it is being ended (rules/workers/dead_worker.lua)
if redis.call('EXISTS', q .. 'active:' .. worker) == 1 then return 0 end
redis.call('ZREM', q .. 'leases', worker)
redis.call('ZREM', q .. 'draining', worker)
-- A packet of before that arrives now finds no lease, and after the next join a number that it does not pass.
redis.call('SET', trip, (redis.call('GET', trip) or '0') .. ' out', 'KEEPTTL')
update_wake(q)
return 1
