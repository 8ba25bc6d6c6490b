-- Which job has a coalescing key: an entry in `unique`, deleted only by the job it names. Where that is damaged, none.
-- Gives: free_key, holder_of, claim_key, retake_key

local function free_key(q, id, key)
  if key and redis.pcall('HGET', q .. 'unique', key) == id then redis.call('HDEL', q .. 'unique', key) end
end

-- Returns the job that has the key now, or nil; what is named there may be gone.
local function holder_of(q, key)
  local holder = key and redis.pcall('HGET', q .. 'unique', key)
  return type(holder) == 'string' and redis.call('EXISTS', q .. 'job:' .. holder) == 1 and holder or nil
end

-- A job has its key again, unless another one has it by now.
local function claim_key(q, id, key)
  if key and not holder_of(q, key) then redis.pcall('HSET', q .. 'unique', key, id) end
end

-- A job that gave its coalescing key away when it was taken, and did not run.
local function retake_key(q, id)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'coalesce', 'key')
  if f[1] == 'queued' then claim_key(q, id, f[2]) end
end
