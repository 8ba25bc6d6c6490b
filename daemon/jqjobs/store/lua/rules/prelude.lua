--: include core
-- Shared by nearly every script: the ways into a queue and out of it.

local BAND = 1099511627776        -- 2^40: ranks of one priority
local HISTORY = 20                -- attempts remembered per job
local MAX_INTERRUPTS = 20
local DEFAULTS = { max_attempts = 3, max_crashes = 3 }
local REJECTED_COUNT, REJECTED_BYTES = 1000, 67108864

local function rank_for(priority, sequence) return -(tonumber(priority) or 0) * BAND + sequence end

local function fresh_rank(q, priority)
  return rank_for(priority, redis.call('HINCRBY', q .. 'meta', 'seq', 1))
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

-- A job leaves an active set other than by plain success: only now its attempt is written. taken: when its
-- batch was taken, ms, as text or "". Returns its limits, whose places are free once it is clear where it goes,
-- and whether somebody has cancelled it.
local function note_attempt(q, active, id, attempt, taken)
  redis.call('HSET', q .. 'job:' .. id, 'attempt', attempt, 'taken', taken)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'limits', 'cancel')
  if f[2] then unmark_cancel(q, active, id .. ' ' .. attempt) end
  return f[1], f[2]
end

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
  if redis.call('ZRANK', q .. 'scheduled', member) == 0 then redis.call('ZADD', q .. 'wake', '0', '1') end
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
