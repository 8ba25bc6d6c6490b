--: include coalescing_key parking/refusals
-- Jobs that no live worker can run: none offers their name, or their arguments do not fit. These are in `misfits` too,
-- by the moment at which that is final.
-- Gives: park, leave_parked

-- A misfit gives its coalescing key away: a call that fits must not be taken for it.
local function park(q, now, id, rank)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'refused', 'key')
  local until_ms = read_refusals(f[1])
  redis.call('HSET', q .. 'job:' .. id, 'rank', rank)
  redis.call('ZADD', q .. 'parked', now, id)
  if not until_ms then return end
  redis.call('ZADD', q .. 'misfits', until_ms, id)
  free_key(q, id, f[2])
end

-- Takes a job out of `parked`, whoever wants it. Returns whether it was there.
local function leave_parked(q, id)
  local was_there = redis.call('ZREM', q .. 'parked', id) == 1
  redis.call('ZREM', q .. 'misfits', id)
  return was_there
end
