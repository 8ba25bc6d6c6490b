--: include core mend
-- A daemon says which release of the code its newest worker runs. That is a deploy, unless it is the latest release, or
-- came within ten minutes: a fleet that changes daemon by daemon is deployed once.
-- KEYS[1] jq:{~}:deploys   ARGV[1] now, ms, or ""   ARGV[2] the release, not empty
-- Returns 1 noted | 0 known
-- First write: LTRIM, passes when Redis is full; none when it is known
local MOST, SAME_MS = 100, 600000
local key, now, release = KEYS[1], clock(ARGV[1]), ARGV[2]
set_aside(key, 'list')
for nth, note in ipairs(redis.call('LRANGE', key, 0, -1)) do
  local at, known = string.match(note, '^(%d+) (.*)$')
  if known == release and (nth == 1 or math.abs(now - at) < SAME_MS) then return 0 end
end
redis.call('LTRIM', key, 0, MOST - 2)
redis.call('LPUSH', key, digits(now) .. ' ' .. release)
return 1
