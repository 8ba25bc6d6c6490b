--: include core
-- What live workers offer: names of jobs, "name signature" of each (parking/signatures.lua), and schedules
-- (periodic.lua). All that the workers of one app offer is a roster. Its names are in `roster:<digest>`; `rosters` says
-- until when it is offered, so who renews it sends the digest. In `offers` are single ones, with until when: of a
-- worker that has just become ready, and of daemons that know no rosters.
-- Gives: is_on_offer, each_offer, forget_offers

-- Read once a call.
local live = {}
local function live_rosters(q, now)
  live[q] = live[q] or redis.call('ZRANGEBYSCORE', q .. 'rosters', '(' .. digits(now), '+inf')
  return live[q]
end

local function is_on_offer(q, now, offer)
  if (tonumber(redis.call('ZSCORE', q .. 'offers', offer) or nil) or 0) > now then return true end
  for _, digest in ipairs(live_rosters(q, now)) do
    if type(redis.pcall('ZSCORE', q .. 'roster:' .. digest, offer)) == 'string' then return true end
  end
  return false
end

-- Calls see(offer) for all there are; for some more than once.
local function each_offer(q, now, see)
  for _, offer in ipairs(redis.call('ZRANGEBYSCORE', q .. 'offers', '(' .. digits(now), '+inf')) do see(offer) end
  for _, digest in ipairs(live_rosters(q, now)) do
    local offers = redis.pcall('ZRANGE', q .. 'roster:' .. digest, 0, -1)
    for _, offer in ipairs(offers.err and {} or offers) do see(offer) end
  end
end

-- Those that ended so long ago. What is offered again is something new.
local function forget_offers(q, until_ms)
  redis.call('ZREMRANGEBYSCORE', q .. 'offers', '-inf', until_ms)
  redis.call('ZREMRANGEBYSCORE', q .. 'rosters', '-inf', until_ms)
end
