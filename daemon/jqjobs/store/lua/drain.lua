--: include core
-- Workers are about to end: what is taken over or reaped from them later was interrupted, whoever kills them. Written
-- beside the lease, and gone with it: an entry of the registry would expire first.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   then worker ids
-- Returns how many of them have a lease
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local found = 0
allow_when_full(q)
for i = 2, #ARGV do
  if redis.call('ZSCORE', q .. 'leases', ARGV[i]) then
    redis.call('ZADD', q .. 'draining', now, ARGV[i])
    found = found + 1
  end
end
return found
