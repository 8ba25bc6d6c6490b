--: include core
-- Schedules that were added at run time: `added` has name → entry as JSON, `came` how far each one got, as `ticks` has
-- it of those in code (periodic.lua), and `comes`, by score, when each is to be looked at next: at its next tick, at
-- once where a daemon has not worked that out yet, never while it is paused. So of those that rest nobody asks.
-- Gives: NEVER, first_to_come, read_added, come_to, let_come, look_at_added, forget_added

local NEVER = 'inf'
local MOST_ANEW = 5000  -- that many take some milliseconds

-- Returns ms, -1 when none ever comes.
local function first_to_come(q)
  local first = redis.call('ZRANGE', q .. 'comes', '0', '0', 'WITHSCORES')[2]
  return first and first ~= NEVER and first or '-1'
end

-- Returns its entry as JSON, false when there is none, and since (text, '' when nothing is known), ran, id.
local function read_added(q, name)
  local since, ran, id = string.match(redis.call('HGET', q .. 'came', name) or '', '^(%d+) (%d+) ?(%S*)$')
  return redis.call('HGET', q .. 'added', name), since or '', ran or '0', id or ''
end

local function come_to(q, name, since, ran, id)
  redis.call('HSET', q .. 'came', name, since .. ' ' .. ran .. ' ' .. id)
end

-- at: ms, or NEVER.
local function let_come(q, name, at) redis.call('ZADD', q .. 'comes', at, name) end

-- The clock went back: a daemon works out anew when they come, at least those that were to come first.
local function look_at_added(q, now)
  local anew, soonest, latest = {}, '(' .. digits(now), '(' .. NEVER
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', q .. 'comes', soonest, latest, 'LIMIT', 0, MOST_ANEW)) do
    anew[#anew + 1], anew[#anew + 2] = now, name
  end
  for n = 1, #anew, 1000 do redis.call('ZADD', q .. 'comes', unpack(anew, n, math.min(n + 999, #anew))) end
end

local function forget_added(q, name)
  local known = redis.call('HDEL', q .. 'added', name)
  redis.call('HDEL', q .. 'came', name)
  redis.call('ZREM', q .. 'comes', name)
  return known
end
