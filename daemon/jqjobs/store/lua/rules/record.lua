--: include name ranks
-- What the fields of a job's record may hold (docs/protocol.md, "The job hash"). Others write to the same Redis.
-- Gives: wrong_number, wrong_text, what_is_wrong, has_name

local LARGEST, TEN_YEARS_MS = 9007199254740991, 316224000000
local LEAST_NUMBER = { timeout = 1, keep = 1, uncleaned = 1, max_attempts = 1, max_crashes = 1,
  priority = LEAST_PRIORITY, rank = -LARGEST }
local MOST_NUMBER = { timeout = TEN_YEARS_MS, keep = TEN_YEARS_MS, priority = GREATEST_PRIORITY, attempt = 1e9 }
local NUMBER_FIELDS = { 'attempt', 'timeout', 'keep', 'expires', 'due', 'failures', 'executions', 'crashes', 'lost',
  'interrupts', 'throttles', 'hung', 'snoozes', 'max_attempts', 'max_crashes', 'priority', 'rank', 'uncleaned',
  'wait_backoff' }

-- "-", or four words for each limit (limits/gate.lua); empty: they are computed anew.
local function are_limits(text)
  return text == '-' or text == '' or string.gsub(text .. ' ', '[rc] (%d+) (%d+) %S+ ', function(most, window)
    return #most <= 15 and #window <= 15 and tonumber(most) > 0 and ''
  end) == ''
end
local function is_like(pattern) return function(text) return string.find(text, pattern) end end
local TEXT_FIELDS = { name = is_name, forgiven = is_like('^%d+ %d+ %d+ %d+$'), limits = are_limits,
  payload = is_like(''), fair = is_like('^[^%c ]+$'), suspect = is_like('^%-?%d+ %d$'), held = is_like('^%d+ %d+ %d .'),
  refused = is_like('^%d+ %d+ .') }
local NEVER_ABSENT = { name = true, payload = true }

local function shown(value) return (string.gsub(string.sub(value, 1, 40), '[^%w%p ]', '?')) end

-- value: what the field has, false when it is not there. Each returns nil, or what is wrong with it.
local function wrong_number(field, value)
  if not value then return end
  local number = string.find(value, '^%-?%d+$') and #value <= 17 and tonumber(value)
  if number and number >= (LEAST_NUMBER[field] or 0) and number <= (MOST_NUMBER[field] or LARGEST) then return end
  return 'its field ' .. field .. ' is no number that may be there: ' .. shown(value)
end

local function wrong_text(field, value)
  if not value then return NEVER_ABSENT[field] and 'its field ' .. field .. ' is missing' end
  if TEXT_FIELDS[field](value) then return end
  return 'its field ' .. field .. ' cannot be read: ' .. shown(value)
end

-- Returns what is wrong with a record, nil when all of it may be so.
local function what_is_wrong(job)
  local kind = redis.call('TYPE', job)
  kind = kind.ok or kind
  if kind ~= 'hash' then return 'its record is a ' .. kind .. ', no hash' end
  for _, field in ipairs(NUMBER_FIELDS) do
    local wrong = wrong_number(field, redis.call('HGET', job, field))
    if wrong then return wrong end
  end
  for field in pairs(TEXT_FIELDS) do
    local wrong = wrong_text(field, redis.call('HGET', job, field))
    if wrong then return wrong end
  end
end

-- name: its field. Returns whether there is one, false where there is no job. Raises: a job without one.
local function has_name(job, name)
  if not name and redis.call('HEXISTS', job, 'payload') == 1 then error(wrong_text('name', name), 0) end
  return name and true or false
end
