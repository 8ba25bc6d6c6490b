-- The set `scheduled`: jobs that are due later, and the timers of limits.
-- Gives: set_alarm, schedule, put_off

-- What comes next wakes a worker, so that somebody watches for it.
local function set_alarm(q, member, at)
  redis.call('ZADD', q .. 'scheduled', at, member)
  if redis.call('ZRANK', q .. 'scheduled', member) == 0 then redis.call('ZADD', q .. 'wake', '0', '1') end
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
