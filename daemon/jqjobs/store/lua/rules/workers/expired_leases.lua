--: include workers/reap_due workers/dead_worker at_run_time offers
-- What happens when a lease runs out: nobody can tell whether its worker is dead, so nobody is charged.
-- Gives: reap

local AT_ONCE = 1000             -- leases of one command
local CAUSE = 'its lease ran out: its host or daemon stopped'
local DRAINED = 'its lease ran out after its daemon had begun to drain'

-- Nobody looked for more than lease/3: an outage, a clock that jumped, a first boot. Whoever is alive
-- could not renew, or renewed by another clock, so every lease gets one full term, once. Deadlines are
-- only shortened when the clock went back, since daemons may run with leases of different length.
-- Offers are forgotten then; the next renewals make them again, which also frees what was parked.
local function grant_amnesty(q, now, lease, clock_went_back)
  if clock_went_back then
    forget_offers(q, '+inf')
    look_at_added(q, now)
  end
  local workers = redis.call('ZRANGEBYSCORE', q .. 'leases', '(0', '+inf')  -- but those that are being ended
  local which = clock_went_back and 'XX' or 'GT'
  for first = 1, #workers, AT_ONCE do
    local granted = {}
    for i = first, math.min(first + AT_ONCE - 1, #workers) do
      granted[#granted + 1], granted[#granted + 2] = now + lease, workers[i]
    end
    redis.call('ZADD', q .. 'leases', which, unpack(granted))
  end
end

local function end_of(q, worker)
  local was_draining = redis.call('ZSCORE', q .. 'draining', worker) and true
  return { cause = was_draining and DRAINED or CAUSE, share = 1, was_draining = was_draining }
end

-- reaped: meta field, when somebody last looked. me: a worker that is calling, hence alive, or "".
-- Returns how many workers it ended, whether more are left: then the next look need not wait, and of how many jobs.
local function reap(q, now, lease, reaped, me, most)
  if not is_reap_due(now, lease, reaped) then return 0, false, 0 end
  local gap = now - (tonumber(reaped) or -math.huge)
  if math.abs(gap) > lease / 3 then
    redis.call('HSET', q .. 'meta', 'reaped', now)
    grant_amnesty(q, now, lease, gap < 0)
    return 0, false, 0
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
