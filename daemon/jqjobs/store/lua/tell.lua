--: include core
-- A worker tells those who listen to a queue which attempts began and ended.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   ARGV[2] what it tells (docs/protocol.md, "Tail")
-- Returns how many listen
-- First write: none
return redis.call('PUBLISH', prefix(KEYS[1]) .. 'tail', ARGV[2])
