--: include scheduled
-- A paused queue: `paused` in meta says since when. Until when, by whom and why is in `pause_note`, "since until who"
-- and, on a line of its own, the reason. It counts for the pause of that `since` only, so whoever sets or takes away
-- nothing but `paused` pauses and resumes too. At the moment `until` the timer "~" of `scheduled` goes off.
-- Gives: pause_of, read_pause, resume, end_pause

-- paused, note: these two fields, each or false. Returns since when (text), until when (number) or nil, who and why;
-- all nil when it is not paused.
local function pause_of(paused, note)
  if not paused then return end
  local since, until_ms, who, why = string.match(note or '', '^(%d+) (%d*) ([^\n]*)\n(.*)$')
  if since ~= paused then return paused end
  return paused, #until_ms < 17 and tonumber(until_ms) or nil, who, why
end

-- Returns what `pause_of` does.
local function read_pause(q) return pause_of(unpack(redis.call('HMGET', q .. 'meta', 'paused', 'pause_note'))) end

-- Returns 1 when it was paused.
local function resume(q)
  redis.pcall('ZREM', q .. 'scheduled', PAUSE_TIMER)
  redis.call('HDEL', q .. 'meta', 'pause_note')
  return redis.call('HDEL', q .. 'meta', 'paused')
end

-- Resumes the queue if its moment has come.
local function end_pause(q, now)
  local _, until_ms = read_pause(q)
  if until_ms and until_ms <= now then resume(q) end
end
