--: include core limits/gate limits/heal
-- Looks at the limits that hold jobs back, at most 50 of them: can each ever open?
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- Returns for each limit five items: its name, jobs held, how many it lets through (-1: not known), 1 if a timer looks
--   at it, else 0; of its places, at most 20 of them, how many belong to no job that a worker has in hand
-- First write: none
local MOST_LIMITS, MOST_PLACES = 50, 20
local q, reply = prefix(KEYS[1]), {}

local function let_through(name)
  local best = redis.call('ZRANGE', q .. 'held:' .. name, 0, 0)[1]
  local text = best and redis.pcall('HGET', q .. 'job:' .. best, 'limits')
  for _, limit in ipairs(limits_of(text)) do
    if limit.name == name then return limit.most end
  end
  return -1
end

-- A rate has a list of moments there, and no places.
local function left_behind(name)
  local places, left = redis.pcall('ZRANGE', q .. 'limit:' .. name, 0, MOST_PLACES - 1), 0
  for _, member in ipairs(places.err and {} or places) do
    if not has_holder(q, member) then left = left + 1 end
  end
  return left
end

local gates = redis.call('HSCAN', q .. 'gates', 0, 'COUNT', MOST_LIMITS)[2]
for i = 1, math.min(#gates, 2 * MOST_LIMITS), 2 do
  local name = gates[i]
  local timed = redis.call('ZSCORE', q .. 'scheduled', '~' .. name) and 1 or 0
  for _, item in ipairs({ name, redis.call('ZCARD', q .. 'held:' .. name), let_through(name), timed,
    left_behind(name) }) do reply[#reply + 1] = item end
end
return reply
