-- Which jobs somebody looks for (jobs/selector.py), and since when a job is where it is.
-- Gives: has_moments, first_and_last, matcher

-- Their score says since when a job is there. Of `kept` its record says so, of all others only when it was enqueued:
-- their scores are ranks, or moments to come.
local has_moments = { dead = true, parked = true }

-- Returns the moments between which a job must have come, each nil for any.
local function first_and_last(now, wanted)
  local last = wanted.older_ms and now - wanted.older_ms
  if wanted.until_ms then last = math.min(last or wanted.until_ms, wanted.until_ms) end
  return wanted.since_ms, last
end

local function has_part(value, part) return value and string.find(value, part, 1, true) ~= nil end

local function has_tag(tags, tag) return tags and has_part(' ' .. tags .. ' ', ' ' .. tag .. ' ') end

-- Returns a function that says whether a record is wanted, and how many bytes of arguments it has read for that; nil
-- when every job of these sets is. It reads no more of a record than what is said of it; arguments last.
local function matcher(now, wanted)
  local first, last = first_and_last(now, wanted)
  if has_moments[wanted.state] then first, last = nil, nil end  -- the search looks at no others
  local moment, fields, at = wanted.state == 'kept' and 'finished' or 'enqueued', {}, {}
  local function need(field) fields[#fields + 1], at[field] = field, #fields + 1 end
  for _, field in ipairs({ 'name', 'key', 'error' }) do if wanted[field] then need(field) end end
  if wanted.error then need('reason') end
  if wanted.tag then need('tags') end
  if wanted.group then need('fair') end
  if first or last then need(moment) end
  if #fields == 0 and not wanted.text then return end

  local function is_fine(f)
    local since = tonumber(f[at[moment]] or nil) or 0
    return (not wanted.name or f[at.name] == wanted.name) and (not wanted.key or f[at.key] == wanted.key)
      and (not wanted.error or has_part(f[at.error], wanted.error) or f[at.reason] == wanted.error)
      and (not first or since >= first) and (not last or since <= last)
      and (not wanted.tag or has_tag(f[at.tags], wanted.tag))
      and (not wanted.group or f[at.fair] == '=' .. wanted.group)
  end

  return function(job)  -- a record that is no hash has no fields
    if #fields > 0 and not is_fine(redis.pcall('HMGET', job, unpack(fields))) then return false, 0 end
    local payload = wanted.text and redis.pcall('HMGET', job, 'payload')[1]
    return not wanted.text or has_part(payload, wanted.text), payload and #payload or 0
  end
end
