--: include core
-- What is to be told to batches in other queues, for whoever takes it there (notify.lua, noticed.lua).
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] only what waits for so long, ms
-- Returns notices, the oldest first, at most 200: "home/batch member number what" (rules/flow/telling.lua), or
-- "~cancel batch sweep": the open members of this batch here are to be cancelled
-- First write: none
local MOST = 200
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local waiting = redis.call('ZRANGEBYSCORE', q .. 'notices', '-inf', now - ARGV[2], 'LIMIT', 0, MOST)
if #waiting > 0 then return waiting end
return redis.call('ZRANGEBYSCORE', q .. 'notices', '(' .. digits(now), '+inf', 'LIMIT', 0, MOST)  -- the clock went back
