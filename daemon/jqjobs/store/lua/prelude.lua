-- Shared by every script: clock, names, counters, the ways into a queue and out of it.
-- `q` is always a queue's key prefix ("jq:{emails}:"); a job's rank is its score in `ready`.

local BAND = 1099511627776        -- 2^40: ranks of one priority
local HISTORY = 20                -- attempts remembered per job
local MAX_INTERRUPTS = 20
local DEFAULTS = { max_attempts = 3, max_crashes = 3 }
local REJECTED_COUNT, REJECTED_BYTES = 1000, 67108864

-- now: "" means Redis TIME, read once per script; tests pass their own.
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function prefix(meta_key) return string.sub(meta_key, 1, -5) end
local function digits(number) return string.format('%.0f', number) end

-- At maxmemory Redis judges a script by its first write; ZREM is always allowed.
local function allow_when_full(q) redis.call('ZREM', q .. 'leases', '') end

local function count(q, now, what, n)
  if n == 0 then return end
  redis.call('HINCRBY', q .. 'meta', what, n)
  local minute = q .. 'minute:' .. digits(math.floor(now / 60000))
  if redis.call('HINCRBY', minute, what, n) == n then redis.call('EXPIRE', minute, 7200) end
end

local function rank_for(priority, sequence) return -(tonumber(priority) or 0) * BAND + sequence end

local function fresh_rank(q, priority)
  return rank_for(priority, redis.call('HINCRBY', q .. 'meta', 'seq', 1))
end

-- One token wakes one idle worker; it stands while there is something to take or to ingest.
-- paused: that meta field, where the caller has it. Returns whether the inbox holds anything.
local function update_wake(q, paused)
  if paused == nil then paused = redis.call('HGET', q .. 'meta', 'paused') end
  local inbox = redis.call('EXISTS', q .. 'inbox') == 1
  if inbox or (not paused and redis.call('EXISTS', q .. 'ready') == 1) then
    redis.call('ZADD', q .. 'wake', 0, '1')
  else
    redis.call('ZREM', q .. 'wake', '1')
  end
  return inbox
end

local function ask_again_at(q, now)
  local first = redis.call('ZRANGE', q .. 'scheduled', 0, 0, 'WITHSCORES')
  return first[2] and math.max(0, math.ceil(tonumber(first[2]) - now)) or -1
end

-- What workers published for a job name: a table of defaults, empty when there is none.
local function published(q, name)
  local raw = name and redis.call('HGET', q .. 'catalog', name)
  local readable, entry = pcall(cjson.decode, raw or '{}')
  return readable and type(entry) == 'table' and entry or {}
end

-- The coalescing key is deleted only by the job it names.
local function free_key(q, id, key)
  if key and redis.call('HGET', q .. 'unique', key) == id then redis.call('HDEL', q .. 'unique', key) end
end

-- Returns the job that has the key now, or nil; what is named there may be gone.
local function holder_of(q, key)
  local holder = key and redis.call('HGET', q .. 'unique', key)
  return holder and redis.call('EXISTS', q .. 'job:' .. holder) == 1 and holder or nil
end

local function forget(q, id, key)
  free_key(q, id, key)
  redis.call('DEL', q .. 'job:' .. id, q .. 'job:' .. id .. ':history')
end

-- While a cancelled job is in an active set, `cancels` says so to the daemon of its worker.
local function unmark_cancel(q, active, member)
  local worker = string.sub(active, #q + #'active:' + 1)
  redis.call('ZREM', q .. 'cancels', worker .. ' ' .. member)
end

-- A job leaves an active set other than by plain success: only now its attempt is written. taken: when its
-- batch was taken, ms, as text or "". Returns its limits, whose places are free once it is clear where it goes,
-- and whether somebody has cancelled it.
local function note_attempt(q, active, id, attempt, taken)
  redis.call('HSET', q .. 'job:' .. id, 'attempt', attempt, 'taken', taken)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'limits', 'cancel')
  if f[2] then unmark_cancel(q, active, id .. ' ' .. attempt) end
  return f[1], f[2]
end

-- The worker's last trip that took jobs: its time in ms as text, or "".
local function taken_at(trip_value) return string.match(trip_value or '', ' (%d+)') or '' end

-- Damaged data (a key or field of the wrong type) ends neither the script nor the way of other jobs: a job
-- that cannot be handled is dead, and says why where it still can. The caller has taken it out of its set.
local function unless_damaged(q, now, id, handle)
  local fine, problem = pcall(handle)
  if fine then return end
  redis.call('ZADD', q .. 'dead', now, id)
  local key = redis.pcall('HGET', q .. 'job:' .. id, 'key')
  if type(key) == 'string' then free_key(q, id, key) end
  local why = type(problem) == 'table' and problem.err or tostring(problem)
  redis.pcall('HSET', q .. 'job:' .. id, 'reason', 'damaged', 'finished', now, 'error', why)
end

-- What comes next wakes a worker, so that somebody waits for it.
local function set_alarm(q, member, at)
  redis.call('ZADD', q .. 'scheduled', at, member)
  if redis.call('ZRANK', q .. 'scheduled', member) == 0 then redis.call('ZADD', q .. 'wake', 0, '1') end
end

local function schedule(q, id, due)
  redis.call('HSET', q .. 'job:' .. id, 'due', due)
  set_alarm(q, id, due)
end

-- An entry is "time reason", a newline, then the bytes; so the reason stays on its line.
local function reject(q, now, reason, bytes)
  local list = q .. 'rejected'
  redis.call('LPUSH', list, digits(now) .. ' ' .. string.gsub(reason, '%c', ' ') .. '\n' .. bytes)
  local size = redis.call('HINCRBY', q .. 'meta', 'rejected_bytes', #bytes)
  while redis.call('LLEN', list) > REJECTED_COUNT or (size > REJECTED_BYTES and redis.call('LLEN', list) > 1) do
    local oldest = redis.call('RPOP', list)
    local kept = #oldest - (string.find(oldest, '\n', 1, true) or 0)
    size = redis.call('HINCRBY', q .. 'meta', 'rejected_bytes', -kept)
  end
end
