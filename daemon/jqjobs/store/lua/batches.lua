--: include core
-- Which batches have their home in a queue.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   ARGV[2] pass over so many   ARGV[3] at most so many
-- Returns { how many there are, how many of them are still going on, then ids: those first that are, then the last that
-- were over }
-- First write: none
local q, first = prefix(KEYS[1]), tonumber(ARGV[2])
local ids = redis.call('ZRANGE', q .. 'batches', first, first + ARGV[3] - 1, 'REV')
local going_on = redis.call('ZCOUNT', q .. 'batches', '+inf', '+inf')
return { redis.call('ZCARD', q .. 'batches'), going_on, unpack(ids) }
