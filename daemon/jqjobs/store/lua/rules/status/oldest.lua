--: include ranks
-- Since when the job that waits longest could have run.
-- Gives: oldest_of

local BANDS = 64

local function since_when(job)
  local f = redis.pcall('HMGET', job, 'enqueued', 'due')  -- a record that is no hash has none
  return math.max(tonumber(f[1] or nil) or 0, tonumber(f[2] or nil) or 0)
end

-- Ranks order by priority, then age; so the oldest job is the first one of some priority.
-- size: jobs in the set. oldest: a moment already found elsewhere, or false. Returns the earlier one, ms.
local function oldest_of(q, set, size, oldest)
  if size == 0 then return oldest end
  local first, last = redis.call('ZRANGE', q .. set, 0, 0, 'WITHSCORES'),
    redis.call('ZRANGE', q .. set, -1, -1, 'WITHSCORES')
  local last_band = math.floor(last[2] / BAND)
  for _ = 1, BANDS do
    local since, band = since_when(q .. 'job:' .. first[1]), math.floor(first[2] / BAND)
    if since > 0 and (not oldest or since < oldest) then oldest = since end
    if band >= last_band then break end
    first = redis.call('ZRANGEBYSCORE', q .. set, (band + 1) * BAND, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  return oldest
end
