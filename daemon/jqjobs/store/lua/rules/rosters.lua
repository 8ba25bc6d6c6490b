--: include periodic
-- A roster (offers.lua) is offered for a lease more.
-- Gives: ROSTER_TTL_MS, is_other_hour, renew_roster

local ROSTER_TTL_MS = 604800000  -- of its names, and of the catalog; longer than any lease
local HOUR_MS = 3600000

-- What is kept for days need not be told each time that it is kept on.
local function is_other_hour(a, b) return math.floor(a / HOUR_MS) ~= math.floor(b / HOUR_MS) end

-- Where it was not offered just now, jobs and schedules may have waited for it.
local function renew_roster(q, now, lease, digest)
  local offered_ms = tonumber(redis.call('ZSCORE', q .. 'rosters', digest) or nil) or 0
  if offered_ms <= now then
    redis.call('HSET', q .. 'meta', 'unpark', 0)
    agenda_changed(q)
  end
  redis.call('ZADD', q .. 'rosters', 'GT', now + lease, digest)
  if is_other_hour(offered_ms, now + lease) then
    redis.call('PEXPIRE', q .. 'roster:' .. digest, ROSTER_TTL_MS)
    redis.call('PEXPIRE', q .. 'catalog', ROSTER_TTL_MS)
  end
end
