--: include totals
-- When somebody has made a whole trip to a queue: for a while others may do without (fast_trip.lua).
-- Gives: note_served, count_uncounted

local WRITE_EVERY_MS = 10

-- served: meta field, when that was noted last. Where a job in hand is cancelled, or a suspect waits, it is not noted:
-- a fast trip asks for neither.
local function note_served(q, now, served)
  local gap = now - (tonumber(served) or -math.huge)
  if gap >= 0 and gap < WRITE_EVERY_MS then return end
  if redis.call('EXISTS', q .. 'cancels', q .. 'suspects') == 0 then redis.call('HSET', q .. 'meta', 'served', now) end
end

-- uncounted: meta field, how many jobs fast trips have settled since this was done last.
local function count_uncounted(q, now, uncounted)
  redis.call('HDEL', q .. 'meta', 'uncounted')
  count(q, now, 'done', tonumber(uncounted) or 0)
end
