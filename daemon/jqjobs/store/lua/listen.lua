--: include core
-- Somebody listens to what goes on in a queue. While that is so, each trip of a worker hears it, and workers publish
-- which attempts began and ended, on the channel `tail` of the queue (tell.lua).
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] for how long, ms
-- Returns until when it is listened to, ms
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)
local until_ms = now + tonumber(ARGV[2])
redis.call('HSET', q .. 'meta', 'tail', digits(until_ms))
return until_ms
