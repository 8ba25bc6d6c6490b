--: include core
-- The record of a job that is to be taken.
-- Gives: read_job

-- Most jobs are just a name and a payload. One with options, or one that was taken before, has an `attempt`.
-- Returns name, payload, and a table of the other fields or nil.
local function read_job(job)
  local plain = redis.call('HMGET', job, 'name', 'payload', 'attempt')
  if not plain[3] then return plain[1], plain[2] end
  local f = redis.call('HMGET', job, 'suspect', 'expires', 'failures', 'timeout', 'keep', 'key', 'coalesce',
    'limits', 'forgiven', 'uncleaned', 'max_attempts', 'hung', 'due', 'enqueued', 'taken')
  -- Only those that count: a job that a person has retried begins with short delays again.
  local failures = f[9] and digits((tonumber(f[3]) or 0) - tonumber(string.match(f[9], '%d+'))) or f[3]
  -- Since when it waits; 0 when it comes back without having been due again.
  local since = tonumber(f[13] or f[14]) or 0
  return plain[1], plain[2], { attempt = plain[3], suspect = f[1], expires = f[2], failures = failures,
    timeout = f[4], keep = f[5], key = f[6], coalesce = f[7], limits = f[8], uncleaned = f[10],
    max_attempts = f[11], hung = f[12], since = since > (tonumber(f[15] or 0) or 0) and since or 0 }
end
