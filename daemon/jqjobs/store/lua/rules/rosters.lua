--: include periodic
-- A roster (offers.lua) is offered for a lease more.
-- Gives: renew_roster

local ROSTER_TTL_MS = 604800000  -- of its names; longer than any lease

-- Where it was not offered just now, jobs and schedules may have waited for it.
local function renew_roster(q, now, lease, digest)
  if (tonumber(redis.call('ZSCORE', q .. 'rosters', digest) or nil) or 0) <= now then
    redis.call('HSET', q .. 'meta', 'unpark', 0)
    agenda_changed(q)
  end
  redis.call('ZADD', q .. 'rosters', 'GT', now + lease, digest)
  redis.call('PEXPIRE', q .. 'roster:' .. digest, ROSTER_TTL_MS)
end
