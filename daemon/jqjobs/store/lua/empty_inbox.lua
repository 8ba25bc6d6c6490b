--: include core wake
-- Somebody purges a queue: what is in its inbox goes as it is, unread, answers among it.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- Returns { now, how many there were }
-- First write: UNLINK, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local inbox = q .. 'inbox'
local found = redis.call('LLEN', inbox)
redis.call('UNLINK', inbox)
update_wake(q, nil, false)
return { now, found }
