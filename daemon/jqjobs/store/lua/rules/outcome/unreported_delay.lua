--: include options
-- How long a job waits after an attempt that its worker did not live to report. A worker that does knows the rule of
-- its app, and sends the delay.
-- Gives: growing, backoff, CRASH_MS, LOST_MS

local CRASH_MS, LOST_MS = 5000, 5000
local FAILED_MS, MOST_MS, MOST_SAID_MS = 10000, 3600000, 316224000000

-- first, three times as long each time, an hour at most. share: of it, 0.5 to 1, from the caller: scripts have no dice.
local function growing(first, nth, share)
  return math.ceil(math.min(MOST_MS, first * 3 ^ math.min(20, math.max(0, nth - 1))) * share)
end

-- The delay before the attempt after so many failures: from what the app published for the name, if it did.
-- Only rules that say so are spread: who has asked for a minute means no less.
local function backoff(q, name, failures, share)
  local entry = published(q, name)
  local delays = entry.backoff_ms
  if type(delays) ~= 'table' or #delays == 0 then return growing(FAILED_MS, failures, share) end
  local delay = tonumber(delays[math.min(failures, #delays)]) or 0
  delay = math.max(0, math.min(MOST_SAID_MS, delay))
  return math.ceil(delay * (entry.backoff_jitter == true and share or 1))
end
