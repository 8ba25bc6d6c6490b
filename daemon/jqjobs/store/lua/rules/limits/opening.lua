--: include limits/gate
-- When a limit is open, and when to look at it again.
-- Gives: refusal, tick_after, look_again_at, HEAL_MS

local HEAL_MS = 30000         -- until it is noticed that a place was left behind (heal.lua)

-- Timers that only look whether all is well come together.
local function tick_after(now, ms) return math.ceil((now + ms) / ms) * ms end

-- The first line of a job comes some ms after its take, not always as many. So the next slot comes a little late:
-- then the jobs themselves, and whom they call, see the limit kept too, but for what a busy host adds.
local function slack(window) return math.max(1, math.min(5, math.floor(window / 200))) end

-- What a limit has counted is good for its window; of the wrong type it is good for nothing, and begins anew.
local function read_or_forget(key, ...)
  local found = redis.pcall(...)
  if type(found) ~= 'table' then return found end
  if not string.find(found.err, 'WRONGTYPE', 1, true) then error(found) end
  redis.call('DEL', key)
end

-- The clock went back: what it said before counts for nothing, the starts since then count on. The newest come first.
local function forget_future(key, latest)
  local keep = 0
  for _, moment in ipairs(redis.call('LRANGE', key, 0, -1)) do
    if tonumber(moment) > latest then break end
    keep = keep + 1
  end
  if keep > 0 then redis.call('LTRIM', key, 0, keep - 1) else redis.call('DEL', key) end
end

-- A rate is open when the `most`-th last start is longer ago than the window; so no interval of that length
-- ever sees more. Returns a moment, now or earlier when the limit is open; nil when a place must become free.
local function opens_at(q, now, limit, most)
  local key = q .. 'limit:' .. limit.name
  if limit.kind == 'c' then return (read_or_forget(key, 'ZCARD', key) or 0) < most and 0 or nil end
  local last = tonumber(read_or_forget(key, 'LINDEX', key, number_text(most - 1)) or nil)
  if last and last > now + limit.window then
    forget_future(key, now + limit.window)
    last = nil
  end
  return last and last + limit.window + slack(limit.window) or 0
end

-- uncounted: so many starts of this call are not counted yet, nil for none.
local function look_again_at(q, now, limit, uncounted)
  return opens_at(q, now, limit, limit.most - (uncounted or 0)) or tick_after(now, HEAL_MS)
end

-- Returns the limit that holds a job of this rank back, or nil; and whether that only lets others go first.
local function refusal(q, now, limits, rank)
  for _, limit in ipairs(limits) do
    local at = opens_at(q, now, limit, limit.most)
    if not at or at > now then return limit, false end
    local best = has_gates(q) and redis.call('ZRANGE', q .. 'held:' .. limit.name, 0, 0, 'WITHSCORES')
    if best and best[2] and tonumber(best[2]) < tonumber(rank) then return limit, true end
  end
end
