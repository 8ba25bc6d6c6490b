--: include workers/reap_due workers/dead_worker workers/amnesty
-- What happens when a lease runs out: nobody can tell whether its worker is dead, so nobody is charged.
-- Gives: reap

local CAUSE = 'its lease ran out: its host or daemon stopped'
local DRAINED = 'its lease ran out after its daemon had begun to drain'

local function end_of(q, worker)
  local was_draining = redis.call('ZSCORE', q .. 'draining', worker) and true
  return { cause = was_draining and DRAINED or CAUSE, share = 1, was_draining = was_draining }
end

-- Of those that are being ended (0 or less, workers/dead_worker.lua) it takes whom nobody else has ended for a lease.
-- reaped: meta field, when somebody last looked. me: a worker that is calling, hence alive, or "".
-- Returns how many workers it ended, whether there is more to do: then the next look need not wait, and of how many
-- jobs.
local function reap(q, now, lease, reaped, me, most)
  if not is_reap_due(now, lease, reaped) then return 0, false, 0 end
  local gap = now - (tonumber(reaped) or -math.huge)
  if math.abs(gap) > lease / 3 or redis.call('HEXISTS', q .. 'meta', 'amnesty') == 1 then  -- or some have it by now
    local have_all = grant_amnesty(q, now, lease, gap < 0)
    if have_all then
      redis.call('HDEL', q .. 'meta', 'amnesty')
      redis.call('HSET', q .. 'meta', 'reaped', now)
    end
    return 0, not have_all, 0
  end
  if gap > 0 then redis.call('HSET', q .. 'meta', 'reaped', now) end
  local ended, jobs, left = 0, 0, false
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', q .. 'leases', lease - now, now, 'LIMIT', 0, most + 2)) do
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
