-- What every script needs, and all that a trip with plain jobs needs.
-- `q` is always a queue's key prefix ("jq:{emails}:"); a job's rank is its score in `ready`.

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

local function count(q, now, what, n)
  if n == 0 then return end
  redis.call('HINCRBY', q .. 'meta', what, n)
  local minute = q .. 'minute:' .. math.floor(now / 60000)
  if redis.call('HINCRBY', minute, what, n) == n then redis.call('EXPIRE', minute, 7200) end
end

-- One token wakes one idle worker; it stands while there is something to take or to ingest.
-- paused: that meta field; inbox, ready: whether they hold anything; each nil where the caller does not know it.
-- Returns whether the inbox holds anything.
local function update_wake(q, paused, inbox, ready)
  if paused == nil then paused = redis.call('HGET', q .. 'meta', 'paused') end
  if inbox == nil then inbox = redis.call('EXISTS', q .. 'inbox') == 1 end
  if ready == nil and not inbox and not paused then ready = redis.call('EXISTS', q .. 'ready') == 1 end
  if inbox or (ready and not paused) then
    redis.call('ZADD', q .. 'wake', '0', '1')
  else
    redis.call('ZREM', q .. 'wake', '1')
  end
  return inbox
end

-- Returns ms until the first moment in scheduled, -1 for none.
local function ask_again_at(q, now)
  local first = redis.call('ZRANGE', q .. 'scheduled', '0', '0', 'WITHSCORES')
  return first[2] and math.max(0, math.ceil(tonumber(first[2]) - now)) or -1
end

-- reaped: meta field, when somebody last looked for expired leases.
local function is_reap_due(now, lease, reaped)
  local gap = now - (tonumber(reaped) or -math.huge)
  return gap < 0 or gap >= lease / 30
end

-- While a cancelled job is in an active set, `cancels` says so to the daemon of its worker.
local function unmark_cancel(q, active, member)
  local worker = string.sub(active, #q + #'active:' + 1)
  redis.call('ZREM', q .. 'cancels', worker .. ' ' .. member)
end

-- The worker's last trip that took jobs: its time in ms as text, or "".
local function taken_at(trip_value) return string.match(trip_value or '', ' (%d+)') or '' end
