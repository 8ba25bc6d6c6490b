-- Whether a limited job would begin at once. Its start is counted when it is taken.
-- Gives: can_begin_now

local SHORT_MS = 600  -- the next slot of a rate with a shorter window comes only 1 to 2 ms late (limits/opening.lua)

local function is_alone(queues, worker)
  local active = {}
  for i, q in ipairs(queues) do active[i] = q .. 'active:' .. worker end
  return redis.call('EXISTS', unpack(active)) == 0
end

-- Returns how many of what a worker begins soon, within 3 ms (worker/trips/pace.py), it begins early enough.
local function in_time(soon, limits)
  for _, limit in ipairs(limits) do
    if limit.kind == 'r' and limit.window < SHORT_MS then return soon / 3 end
  end
  return soon
end

-- Either there is a slot, or with one slot a moment that is soon enough, for it and for all that this trip takes before
-- it, or nothing at all is before it in the worker's hands. t: the trip, see serve.lua. before: so many the trip has
-- taken.
local function can_begin_now(t, before, limits)
  t.free = t.free or tonumber(string.match(t.words, 'free (%d+)') or 0)
  t.soon = t.soon or tonumber(string.match(t.words, 'soon (%d+)') or 0)
  if before < math.max(t.free, in_time(t.soon, limits)) then return true end
  return before == 0 and not string.find(t.words, 'others') and is_alone(t.queues, t.worker)
end
