--: include in_hand
-- Whether a worker may still speak in a queue: it has a lease, and this is not an old packet.
-- Gives: standing_in

-- Returns 0 and the time at which it took jobs last | 1 FENCED: no lease, it is being ended (0 or less, see
-- workers/dead_worker.lua), or nobody can have one, the key being of the wrong type | 2 LATE. See exchange.lua.
local function standing_in(q, worker, trip)
  local lease, seen = redis.pcall('ZSCORE', q .. 'leases', worker), redis.pcall('GET', q .. 'trip:' .. worker)
  if type(lease) ~= 'string' or tonumber(lease) <= 0 then return 1 end
  if type(seen) ~= 'string' then return 0, '' end
  if tonumber(string.match(seen, '%d+') or 0) >= trip then return 2 end
  return 0, taken_at(seen)
end
