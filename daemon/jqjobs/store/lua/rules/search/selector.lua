-- Which jobs somebody looks for (jobs/selector.py), and since when a job is where it is.
-- Gives: has_moments, first_and_last, matcher

-- Their score says since when a job is there. Of `kept` its record says so, of all others only when it was enqueued:
-- their scores are ranks, or moments to come.
local has_moments = { dead = true, parked = true }
local FIELDS = { 'name', 'error', 'reason', 'key', 'enqueued', 'finished', 'tags', 'payload' }

-- Returns the moments between which a job must have come, each nil for any.
local function first_and_last(now, wanted)
  local last = wanted.older_ms and now - wanted.older_ms
  if wanted.until_ms then last = math.min(last or wanted.until_ms, wanted.until_ms) end
  return wanted.since_ms, last
end

local function has_part(value, part) return value and string.find(value, part, 1, true) ~= nil end

local function has_tag(tags, tag) return tags and has_part(' ' .. tags .. ' ', ' ' .. tag .. ' ') end

-- Returns a function that says whether a record is wanted, and how many bytes of arguments it has read for that; nil
-- when every job of these sets is.
local function matcher(now, wanted)
  local first, last = first_and_last(now, wanted)
  if has_moments[wanted.state] then first, last = nil, nil end  -- the search looks at no others
  if not (wanted.name or wanted.error or wanted.key or wanted.tag or wanted.text or first or last) then return end
  local needed = wanted.text and #FIELDS or #FIELDS - 1
  return function(job)
    local f = redis.pcall('HMGET', job, unpack(FIELDS, 1, needed))  -- a record that is no hash has none
    local since = tonumber(f[wanted.state == 'kept' and 6 or 5] or nil) or 0
    local fine = (not wanted.name or f[1] == wanted.name) and (not wanted.key or f[4] == wanted.key)
      and (not wanted.error or has_part(f[2], wanted.error) or f[3] == wanted.error)
      and (not first or since >= first) and (not last or since <= last)
      and (not wanted.tag or has_tag(f[7], wanted.tag)) and (not wanted.text or has_part(f[8], wanted.text))
    return fine, f[8] and #f[8] or 0
  end
end
