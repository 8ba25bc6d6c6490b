--: include core
-- Batches whose time is over are forgotten: those that ended so long ago, and those that nobody ever opened.
-- Gives: forget_batches, overdue_notices

local UNTOLD_MS = 2000
local PARTS = { '', ':open', ':dead', ':kept', ':seen', ':at' }

-- Returns whether there may be more, and how many were forgotten. They may have had very many members.
local function forget_batches(q, now, most)
  local over = redis.call('ZRANGEBYSCORE', q .. 'batches', '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(over) do
    local parts = {}
    for i, part in ipairs(PARTS) do parts[i] = q .. 'batch:' .. id .. part end
    redis.call('UNLINK', unpack(parts))
    redis.call('ZREM', q .. 'batches', id)
  end
  return #over == most, #over
end

-- Returns how many wait to be told whose teller did not get to it.
local function overdue_notices(q, now)
  local ahead = redis.call('ZCOUNT', q .. 'notices', '(' .. digits(now), '+inf')  -- the clock went back
  return redis.call('ZCOUNT', q .. 'notices', '-inf', now - UNTOLD_MS) + ahead
end
