-- Whether the last whole trip to a queue, whoever made it, is recent enough for one that does less (fast_trip.lua).
-- Gives: is_served

local FULL_EVERY_MS = 20

-- served: meta field. Workers guess what time it is, and lag a little.
local function is_served(served, now)
  return type(served) == 'string' and math.abs(now - (tonumber(served) or math.huge)) < FULL_EVERY_MS
end
