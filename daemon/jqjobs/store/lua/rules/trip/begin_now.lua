-- Whether a limited job would begin at once. Its start is counted when it is taken.
-- Gives: can_begin_now

local function is_alone(queues, worker)
  local active = {}
  for i, q in ipairs(queues) do active[i] = q .. 'active:' .. worker end
  return redis.call('EXISTS', unpack(active)) == 0
end

-- Either there is a slot, or with one slot a moment that is soon enough, for it and for all that this trip takes before
-- it, or nothing at all is before it in the worker's hands. t: the trip, see serve.lua. before: so many the trip has
-- taken.
local function can_begin_now(t, before)
  t.begins = t.begins or tonumber(string.match(t.words, 'free (%d+)') or string.match(t.words, 'soon (%d+)') or 0)
  if before < t.begins then return true end
  return before == 0 and not string.find(t.words, 'others') and is_alone(t.queues, t.worker)
end
