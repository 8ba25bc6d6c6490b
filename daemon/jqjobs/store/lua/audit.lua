--: include core mend
-- Somebody acts: who and what is noted before it is done, the newest first; the oldest notes go. An act that fails has
-- its note replaced.
-- KEYS[1] jq:{~}:audit
-- ARGV[1] now, ms, or ""   ARGV[2] most notes kept, at least 2
-- ARGV[3] the note: a JSON object as text, not empty; a new one gets "at_ms", the time of Redis
-- ARGV[4] the note that it replaces, as it stands there, or ""
-- Returns the note as it stands there
-- First write: LTRIM, passes when Redis is full
local now, most, note, earlier = clock(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
set_aside(KEYS[1], 'list')
if earlier ~= '' then
  redis.call('LTRIM', KEYS[1], 0, most - 1)
  local at = redis.call('LPOS', KEYS[1], earlier)
  if at then redis.call('LSET', KEYS[1], at, note) end
  return note
end
note = string.sub(note, 1, -2) .. ',"at_ms":' .. digits(now) .. '}'
redis.call('LTRIM', KEYS[1], 0, most - 2)
redis.call('LPUSH', KEYS[1], note)
return note
