--: include core
-- What is known of a job whose arguments did not fit the function of a worker: its field `refused`, "until times
-- signature …": until when it may be parked, how often in a row it was refused, and by which signatures.
-- Gives: read_refusals, add_refusal, forgive_refusals

local MOST_SIGNATURES = 20

-- Returns until, times, and the signatures as is_offered_otherwise takes them; nil when nobody has refused it.
local function read_refusals(field)
  local until_ms, times, by = string.match(field or '', '^(%d+) (%d+)( .+)$')
  if until_ms then return tonumber(until_ms), tonumber(times), by .. ' ' end
end

local function write_refusals(q, id, until_ms, times, by)
  redis.call('HSET', q .. 'job:' .. id, 'refused', digits(until_ms) .. ' ' .. times .. string.sub(by, 1, -2))
end

-- until_ms: counts for the first refusal. Returns what read_refusals would say now.
local function add_refusal(q, id, signature, until_ms)
  local known, times, by = read_refusals(redis.call('HGET', q .. 'job:' .. id, 'refused'))
  until_ms, times, by = known or until_ms, (times or 0) + 1, by or ' '
  if not string.find(by, ' ' .. signature .. ' ', 1, true) then by = by .. signature .. ' ' end
  if select(2, string.gsub(by, '%S+', '')) > MOST_SIGNATURES then by = string.match(by, '^ %S+(.*)$') end
  write_refusals(q, id, until_ms, times, by)
  return until_ms, times, by
end

-- It is tried anew: the next refusal is the first in a row.
local function forgive_refusals(q, id, field)
  local until_ms, _, by = read_refusals(field)
  if until_ms then write_refusals(q, id, until_ms, 0, by) end
end
