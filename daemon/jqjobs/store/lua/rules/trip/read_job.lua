--: include core record
-- The record of a job that is to be taken.
-- Gives: read_job

-- What a worker is told, or what decides whether it is told anything.
local CHECKED = { 'limits', 'forgiven', 'failures', 'expires', 'timeout', 'keep', 'uncleaned', 'max_attempts', 'hung',
  'snoozes' }
local IS_TEXT = { limits = true, forgiven = true }

local function check_fields(f)
  for i = 1, #CHECKED do
    local field = CHECKED[i]
    local value = f[field]
    local wrong = value and (IS_TEXT[field] and wrong_text or wrong_number)(field, value)
    if wrong then error(wrong, 0) end
  end
end

-- Most jobs are just a name and a payload. One with options, or one that was taken before, has an `attempt`.
-- Returns name, payload, and a table of all fields or nil; no name: there is no record. Raises what is wrong.
local function read_job(job)
  local found, f = redis.call('HGETALL', job), {}
  for i = 1, #found, 2 do f[found[i]] = found[i + 1] end
  if not (f.name or f.payload) then return end
  local wrong = wrong_text('name', f.name) or wrong_text('payload', f.payload) or wrong_number('attempt', f.attempt)
  if wrong then error(wrong, 0) end
  if not f.attempt then return f.name, f.payload end
  check_fields(f)
  -- Only those that count: a job that a person has retried begins with short delays again.
  if f.forgiven then f.failures = digits((tonumber(f.failures) or 0) - tonumber(string.match(f.forgiven, '%d+'))) end
  -- Since when it waits; 0 when it comes back without having been due again.
  local since = tonumber(f.due or f.enqueued) or 0
  f.since = since > (tonumber(f.taken) or 0) and since or 0
  return f.name, f.payload, f
end
