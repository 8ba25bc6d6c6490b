--: include core at_run_time offers
-- After an outage every lease gets one full term, before anybody is reaped.
-- Gives: grant_amnesty

local AT_ONCE = 1000 -- leases of one call

-- In parts, so that a call is short: until when leases are to be good, at least, stands in `amnesty` meanwhile.
-- Returns that, and whether this is the first part.
local function amnesty_until(q, now, lease)
  local before = tonumber(redis.call('HGET', q .. 'meta', 'amnesty') or nil)
  local age = now + lease - (before or math.huge)
  if age >= 0 and age <= lease / 3 then return before, false end
  redis.call('HSET', q .. 'meta', 'amnesty', digits(now + lease))
  return now + lease, true
end

-- Returns some workers whose leases are not as they are to be, but none of those that are being ended.
local function without_amnesty(q, good_until, clock_went_back)
  local leases, at = q .. 'leases', '(' .. digits(good_until)
  local workers = redis.call('ZRANGEBYSCORE', leases, '(0', at, 'LIMIT', 0, AT_ONCE)
  if clock_went_back and #workers < AT_ONCE then
    local far = redis.call('ZRANGEBYSCORE', leases, at, '+inf', 'LIMIT', 0, AT_ONCE - #workers)
    for _, worker in ipairs(far) do workers[#workers + 1] = worker end
  end
  return workers
end

-- Nobody looked for more than lease/3: an outage, a clock that jumped, a first boot. Whoever is alive
-- could not renew, or renewed by another clock, so every lease gets one full term, once. Deadlines are
-- only shortened when the clock went back, since daemons may run with leases of different length.
-- Offers are forgotten then; the next renewals make them again, which also frees what was parked.
-- Returns whether all have it.
local function grant_amnesty(q, now, lease, clock_went_back)
  local good_until, is_first = amnesty_until(q, now, lease)
  if clock_went_back and is_first then
    forget_offers(q, '+inf')
    look_at_added(q, now)
  end
  local workers, granted = without_amnesty(q, good_until, clock_went_back), {}
  for _, worker in ipairs(workers) do
    granted[#granted + 1], granted[#granted + 2] = clock_went_back and good_until or now + lease, worker
  end
  if #granted > 0 then redis.call('ZADD', q .. 'leases', unpack(granted)) end
  return #workers < AT_ONCE
end
