--: include core
-- A worker that is ready publishes what it offers in one queue: the catalog entry of each job name, and what its
-- parameters are. These have a field of their own: entries are decoded when jobs come and fail, parameters never here.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] lease, ms   ARGV[3] digest of all of it, or ""
-- then for each job its name, its catalog entry as JSON, what is to be renewed of it beside the name, or "":
-- "name signature" (rules/parking/signatures.lua), its parameters as JSON, or ""
-- Returns the number of fields in the catalog
-- First write: ZREM, passes when Redis is full
local CATALOG_TTL_MS = 604800000
local q, now, lease = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2])
allow_when_full(q)
for i = 4, #ARGV, 4 do
  redis.call('HSET', q .. 'catalog', ARGV[i], ARGV[i + 1])
  if ARGV[i + 3] == '' then redis.call('HDEL', q .. 'catalog', 'params:' .. ARGV[i])
  else redis.call('HSET', q .. 'catalog', 'params:' .. ARGV[i], ARGV[i + 3]) end
  redis.call('ZADD', q .. 'offers', now + lease, ARGV[i])
  if ARGV[i + 2] ~= '' then redis.call('ZADD', q .. 'offers', now + lease, ARGV[i + 2]) end
end
redis.call('HSET', q .. 'meta', 'unpark', 0, 'offered', ARGV[3])
redis.call('PEXPIRE', q .. 'catalog', CATALOG_TTL_MS)
return redis.call('HLEN', q .. 'catalog')
