-- What every script needs. `q` is always a queue's key prefix ("jq:{emails}:"); a job's rank is its score in `ready`.
-- Gives: clock, prefix, digits, allow_when_full

-- now: "" means Redis TIME, read once per script; tests pass their own. Returns it as a number and as text.
local function clock(given)
  if given ~= '' then return tonumber(given), given end
  local time = redis.call('TIME')
  local text = time[1] .. string.sub('00000' .. time[2], -6, -4)
  return tonumber(text), text
end

local function prefix(meta_key) return string.sub(meta_key, 1, -5) end
local function digits(number) return string.format('%.0f', number) end

-- At maxmemory Redis judges a script by its first write; ZREM is always allowed.
local function allow_when_full(q) redis.call('ZREM', q .. 'leases', '') end
