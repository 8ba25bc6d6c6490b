--: include core
-- Batches whose time is over are forgotten: those that ended so long ago, and those that nobody ever opened.
-- Gives: forget_batches, overdue_notices

local MOST_OVER, UNTOLD_MS = 100, 2000
local PARTS = { '', ':open', ':dead', ':kept', ':seen', ':at' }

-- Returns whether there may be more.
local function forget_batches(q, now)
  local over = redis.call('ZRANGEBYSCORE', q .. 'batches', '-inf', now, 'LIMIT', 0, MOST_OVER)
  for _, id in ipairs(over) do
    for _, part in ipairs(PARTS) do redis.call('DEL', q .. 'batch:' .. id .. part) end
    redis.call('ZREM', q .. 'batches', id)
  end
  return #over == MOST_OVER
end

-- Returns how many wait to be told whose teller did not get to it.
local function overdue_notices(q, now)
  local ahead = redis.call('ZCOUNT', q .. 'notices', '(' .. digits(now), '+inf')  -- the clock went back
  return redis.call('ZCOUNT', q .. 'notices', '-inf', now - UNTOLD_MS) + ahead
end
