--: include workers/reap_due workers/dead_worker at_run_time offers
-- What happens when a lease runs out: nobody can tell whether its worker is dead, so nobody is charged.
-- Gives: reap

local AT_ONCE = 1000             -- leases of one call
local CAUSE = 'its lease ran out: its host or daemon stopped'
local DRAINED = 'its lease ran out after its daemon had begun to drain'

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

local function end_of(q, worker)
  local was_draining = redis.call('ZSCORE', q .. 'draining', worker) and true
  return { cause = was_draining and DRAINED or CAUSE, share = 1, was_draining = was_draining }
end

-- reaped: meta field, when somebody last looked. me: a worker that is calling, hence alive, or "".
-- Returns how many workers it ended, whether there is more to do: then the next look need not wait, and of how many
-- jobs.
local function reap(q, now, lease, reaped, me, most)
  if not is_reap_due(now, lease, reaped) then return 0, false, 0 end
  local gap = now - (tonumber(reaped) or -math.huge)
  if math.abs(gap) > lease / 3 then
    local have_all = grant_amnesty(q, now, lease, gap < 0)
    if have_all then
      redis.call('HDEL', q .. 'meta', 'amnesty')
      redis.call('HSET', q .. 'meta', 'reaped', now)
    end
    return 0, not have_all, 0
  end
  if gap > 0 then redis.call('HSET', q .. 'meta', 'reaped', now) end
  local ended, jobs, left = 0, 0, false
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', q .. 'leases', '-inf', now, 'LIMIT', 0, most + 2)) do
    if worker ~= me then
      left = ended == most or jobs >= MOST_ENDED
      if left then break end
      local some, is_all = end_worker(q, now, worker, nil, end_of(q, worker), MOST_ENDED - jobs)
      jobs, ended, left = jobs + some, ended + (is_all and 1 or 0), not is_all
    end
  end
  if left then redis.call('HSET', q .. 'meta', 'reaped', now - math.ceil(lease / 30)) end
  return ended, left, jobs
end
