-- How jobs move by time alone: promotion of what is due, and reaping of workers whose lease ran out.

local MOST_REAPED_JOBS = 100     -- a reap ends with the worker that reaches this, so that it stays short
local MOST_TIMERS = 40

local function make_ready(q, id)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'priority', 'rank', 'name')
  if f[2] then redis.call('HDEL', q .. 'job:' .. id, 'rank') end
  if f[3] then redis.call('ZADD', q .. 'ready', f[2] or fresh_rank(q, f[1]), id) end
end

-- Jobs that are due, and timers of limits ("~<limit>"), of which each is a good deal more work.
local function what_is_due(q, now, most)
  local due, timers = {}, 0
  for i, id in ipairs(redis.call('ZRANGEBYSCORE', q .. 'scheduled', '-inf', now, 'LIMIT', 0, most)) do
    if string.sub(id, 1, 1) == '~' then timers = timers + 1 end
    due[i] = id
    if timers == MOST_TIMERS then break end
  end
  return due, #due == most or timers == MOST_TIMERS
end

-- Returns whether there may be more.
local function promote(q, now, most)
  if ask_again_at(q, now) ~= 0 then return false end
  local due, more = what_is_due(q, now, most)
  redis.call('ZREM', q .. 'scheduled', unpack(due))
  for _, id in ipairs(due) do
    if string.sub(id, 1, 1) == '~' then
      on_timer(q, now, string.sub(id, 2))
    else
      unless_damaged(q, now, id, function() make_ready(q, id) end)
    end
  end
  return more
end

-- Nobody looked for more than lease/3: an outage, a clock that jumped, a first boot. Whoever is alive
-- could not renew, or renewed by another clock, so every lease gets one full term, once. Deadlines are
-- only shortened when the clock went back, since daemons may run with leases of different length.
-- Offers are forgotten then; the next renewals make them again, which also frees what was parked.
local function grant_amnesty(q, now, lease, clock_went_back)
  if clock_went_back then redis.call('DEL', q .. 'offers') end
  for _, worker in ipairs(redis.call('ZRANGE', q .. 'leases', 0, 4999)) do
    if clock_went_back then
      redis.call('ZADD', q .. 'leases', now + lease, worker)
    else
      redis.call('ZADD', q .. 'leases', 'GT', now + lease, worker)
    end
  end
end

-- reaped: meta field, when somebody last looked. me: a worker that is calling, hence alive, or "".
-- Returns how many workers it ended, and whether more are left: then the next look need not wait.
local function reap(q, now, lease, reaped, me, most)
  if not is_reap_due(now, lease, reaped) then return 0, false end
  local gap = now - (tonumber(reaped) or -math.huge)
  if math.abs(gap) > lease / 3 then
    redis.call('HSET', q .. 'meta', 'reaped', now)
    grant_amnesty(q, now, lease, gap < 0)
    return 0, false
  end
  if gap > 0 then redis.call('HSET', q .. 'meta', 'reaped', now) end
  local ended, jobs, left = 0, 0, false
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', q .. 'leases', '-inf', now, 'LIMIT', 0, most + 2)) do
    left = worker ~= me and (ended == most or jobs >= MOST_REAPED_JOBS)
    if left then break end
    if worker ~= me then
      jobs = jobs + end_worker(q, now, worker, 'suspect', nil, 'its lease ran out: its host or daemon stopped')
      ended = ended + 1
    end
  end
  if left then redis.call('HSET', q .. 'meta', 'reaped', now - math.ceil(lease / 30)) end
  return ended, left
end
