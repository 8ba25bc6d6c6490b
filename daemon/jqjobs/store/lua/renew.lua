--: include core rosters
-- A daemon renews the leases of its workers, and what they offer, in queues where it has the same workers: some
-- six commands a queue, however many names that are.
-- KEYS[i] meta key of each queue
-- ARGV[1] now, ms, or ""   ARGV[2] lease, ms   ARGV[3] number of workers, then their ids, then digests of rosters
-- Returns for each queue: for each worker 1, or 0: it has no lease any more (fenced); then for each roster 1, or 0: its
--   names are not known here (offer.lua)
-- First write: ZREM, passes when Redis is full
local TRIP_TTL_MS = 86400000
local now, lease, workers = clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local reply = {}

local function renew_leases(q)
  local deadlines, renewed = redis.call('ZMSCORE', q .. 'leases', unpack(ARGV, 4, 3 + workers)), {}
  for i = 1, workers do
    local deadline = tonumber(deadlines[i] or nil) or 0  -- 0 or less: being ended (rules/workers/dead_worker.lua)
    reply[#reply + 1] = deadline > 0 and 1 or 0
    if deadline > 0 then
      renewed[#renewed + 1], renewed[#renewed + 2] = now + lease, ARGV[3 + i]
      if is_other_hour(deadline, now + lease) then
        redis.call('PEXPIRE', q .. 'trip:' .. ARGV[3 + i], TRIP_TTL_MS)
      end
    end
  end
  if #renewed > 0 then redis.call('ZADD', q .. 'leases', unpack(renewed)) end
end

for _, key in ipairs(KEYS) do
  local q = prefix(key)
  allow_when_full(q)
  if workers > 0 then renew_leases(q) end
  for i = 4 + workers, #ARGV do
    local names = redis.pcall('ZCARD', q .. 'roster:' .. ARGV[i])
    local is_known = type(names) == 'number' and names > 0
    if is_known then renew_roster(q, now, lease, ARGV[i]) end
    reply[#reply + 1] = is_known and 1 or 0
  end
end
return reply
