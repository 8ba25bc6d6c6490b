--: include core rosters
-- A daemon renews the leases of its workers in one queue, and what they offer: some ten commands, however many names
-- that are.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] lease, ms   ARGV[3] number of workers, then their ids, then digests of rosters
-- Returns for each worker 1, or 0: it has no lease any more (fenced); then for each roster 1, or 0: its names are not
--   known here (offer.lua)
-- First write: ZREM, passes when Redis is full
local TRIP_TTL_MS, CATALOG_TTL_MS, HOUR_MS = 86400000, 604800000, 3600000
local q, now, lease, workers = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local reply, renewed = {}, {}
allow_when_full(q)
local deadlines = workers > 0 and redis.call('ZMSCORE', q .. 'leases', unpack(ARGV, 4, 3 + workers)) or {}
for i = 1, workers do
  local deadline = tonumber(deadlines[i] or nil) or 0  -- 0 or less: it is being ended (rules/workers/dead_worker.lua)
  reply[i] = deadline > 0 and 1 or 0
  if deadline > 0 then
    renewed[#renewed + 1], renewed[#renewed + 2] = now + lease, ARGV[3 + i]
    if math.floor(deadline / HOUR_MS) ~= math.floor((now + lease) / HOUR_MS) then
      redis.call('PEXPIRE', q .. 'trip:' .. ARGV[3 + i], TRIP_TTL_MS)
    end
  end
end
if #renewed > 0 then redis.call('ZADD', q .. 'leases', unpack(renewed)) end
for i = 4 + workers, #ARGV do
  local names = redis.pcall('ZCARD', q .. 'roster:' .. ARGV[i])
  local is_known = type(names) == 'number' and names > 0
  if is_known then renew_roster(q, now, lease, ARGV[i]) end
  reply[#reply + 1] = is_known and 1 or 0
end
redis.call('PEXPIRE', q .. 'catalog', CATALOG_TTL_MS)
return reply
