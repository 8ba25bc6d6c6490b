-- The set `scheduled`: jobs that are due later, the timers of limits, and the one of a pause that ends by itself.
-- Gives: PAUSE_TIMER, jobs_scheduled, due_moment, set_alarm, schedule, put_off

local PAUSE_TIMER = '~'  -- that of a limit is "~<limit>", one for each that holds any job back

local function jobs_scheduled(q)
  local all = redis.call('ZCARD', q .. 'scheduled')
  if all == 0 then return 0 end
  local timers = redis.call('HLEN', q .. 'gates') + (redis.call('ZSCORE', q .. 'scheduled', PAUSE_TIMER) and 1 or 0)
  return all - timers
end

-- due: "" now, "+ms" from now, "ms" absolute.
local function due_moment(now, due)
  if due == '' then return now end
  return string.sub(due, 1, 1) == '+' and now + tonumber(due) or tonumber(due) or now
end

-- What comes next wakes a worker, so that somebody watches for it.
local function set_alarm(q, member, at)
  redis.call('ZADD', q .. 'scheduled', at, member)
  if redis.call('ZRANK', q .. 'scheduled', member) == 0 then redis.pcall('ZADD', q .. 'wake', '0', '1') end
end

local function schedule(q, id, due)
  redis.call('HSET', q .. 'job:' .. id, 'due', due)
  set_alarm(q, id, due)
end

-- Not now, at no charge: when it is due again it has its old place.
local function put_off(q, id, rank, due)
  redis.call('HSET', q .. 'job:' .. id, 'rank', rank)
  schedule(q, id, due)
end
