--: include core
-- A running job says something of itself: how far it is, and lines for a person to read. Only the attempt
-- that has the job in hand is heard. Lines are bounded: the oldest go.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- ARGV[2] worker id   ARGV[3] job id   ARGV[4] attempt
-- ARGV[5] progress, or "": a JSON object without its closing brace, then log lines of the same form
-- Returns 1 noted | 0 this attempt does not have the job in hand any more
-- First write: ZREM, passes when Redis is full; none when it returns 0
local MOST_LINES, MOST_BYTES = 100, 16384
local q, now, worker, id, attempt = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local job = q .. 'job:' .. id
if not redis.call('ZSCORE', q .. 'active:' .. worker, id .. ' ' .. attempt) then return 0 end
allow_when_full(q)

local function stamped(text) return text .. ',"attempt":' .. attempt .. ',"at_ms":' .. digits(now) .. '}' end

if ARGV[5] ~= '' then redis.call('HSET', job, 'progress', stamped(ARGV[5])) end
if not ARGV[6] then return 1 end
local lines, bytes = {}, 0
for line in string.gmatch(redis.call('HGET', job, 'log') or '', '[^\n]+') do lines[#lines + 1] = line end
for i = 6, #ARGV do lines[#lines + 1] = stamped(ARGV[i]) end
local first = #lines + 1
while first > 1 and first > #lines + 1 - MOST_LINES and bytes + #lines[first - 1] < MOST_BYTES do
  first = first - 1
  bytes = bytes + #lines[first] + 1
end
redis.call('HSET', job, 'log', table.concat(lines, '\n', first))
return 1
