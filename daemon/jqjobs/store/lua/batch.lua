--: include core
-- What is known of a batch.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   ARGV[2] id
-- Returns { fields of its record, flat: none where there is no such batch; open, dead, kept members: how many }
-- First write: none
local batch = prefix(KEYS[1]) .. 'batch:' .. ARGV[2]
local function size(set) return redis.call('SCARD', batch .. ':' .. set) end
return { redis.call('HGETALL', batch), size('open'), size('dead'), size('kept') }
