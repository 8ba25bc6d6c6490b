--: include core record
-- The record of a job that is to be taken.
-- Gives: read_job

local FIELDS = { 'suspect', 'expires', 'failures', 'timeout', 'keep', 'key', 'coalesce', 'limits', 'forgiven',
  'uncleaned', 'max_attempts', 'hung', 'due', 'enqueued', 'taken', 'snoozes', 'flow' }

-- What a worker is told, or what decides whether it is told anything.
local function check_fields(f)
  local wrong = wrong_number('failures', f[3]) or wrong_number('expires', f[2]) or wrong_number('timeout', f[4])
    or wrong_number('keep', f[5]) or wrong_number('uncleaned', f[10]) or wrong_text('limits', f[8])
    or wrong_text('forgiven', f[9]) or wrong_number('max_attempts', f[11]) or wrong_number('hung', f[12])
    or wrong_number('snoozes', f[16])
  if wrong then error(wrong, 0) end
end

-- Most jobs are just a name and a payload. One with options, or one that was taken before, has an `attempt`. all: read
-- everything at once, where that is expected.
-- Returns name, payload, and a table of the other fields or nil; no name: there is no record. Raises what is wrong.
local function read_job(job, all)
  local plain = redis.call('HMGET', job, 'name', 'payload', 'attempt', unpack(all and FIELDS or {}))
  if not (plain[1] or plain[2]) then return end
  local wrong = wrong_text('name', plain[1]) or wrong_text('payload', plain[2]) or wrong_number('attempt', plain[3])
  if wrong then error(wrong, 0) end
  if not plain[3] then return plain[1], plain[2] end
  local f = all and { unpack(plain, 4) } or redis.call('HMGET', job, unpack(FIELDS))
  check_fields(f)
  -- Only those that count: a job that a person has retried begins with short delays again.
  local failures = f[9] and digits((tonumber(f[3]) or 0) - tonumber(string.match(f[9], '%d+'))) or f[3]
  -- Since when it waits; 0 when it comes back without having been due again.
  local since = tonumber(f[13] or f[14]) or 0
  return plain[1], plain[2], { attempt = plain[3], suspect = f[1], expires = f[2], failures = failures,
    timeout = f[4], keep = f[5], key = f[6], coalesce = f[7], limits = f[8], uncleaned = f[10],
    max_attempts = f[11], hung = f[12], snoozes = f[16], flow = f[17],
    since = since > (tonumber(f[15] or 0) or 0) and since or 0 }
end
