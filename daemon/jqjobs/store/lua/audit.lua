--: include core mend
-- Somebody has acted: who and what is noted, the newest first. The oldest notes go.
-- KEYS[1] jq:{~}:audit
-- ARGV[1] now, ms, or ""   ARGV[2] most notes kept, at least 2
-- ARGV[3] the note: a JSON object as text, not empty; it gets "at_ms", the time of Redis
-- Returns how many notes there are
-- First write: LTRIM, passes when Redis is full
local now, most, note = clock(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
set_aside(KEYS[1], 'list')
redis.call('LTRIM', KEYS[1], 0, most - 2)
return redis.call('LPUSH', KEYS[1], string.sub(note, 1, -2) .. ',"at_ms":' .. digits(now) .. '}')
