--: include offers record damaged coalescing_key outcome/give_back parking/parked parking/refusals parking/signatures
-- Parked jobs wait for a worker again, once one offers what they lack.
-- Gives: unpark, unpark_latest

local LATELY_MS = 3000  -- longer than from one round of housekeeping to the next

local function is_wanted(q, now, name, refused)
  local _, _, by = read_refusals(refused)
  if by then return is_offered_otherwise(q, now, name, by) end
  return is_on_offer(q, now, name)
end

local function free(q, id, rank, refused, key)
  give_back(q, id, rank)
  redis.call('HDEL', q .. 'job:' .. id, 'rank')
  if not refused then return end
  forgive_refusals(q, id, refused)
  claim_key(q, id, key)
end

-- Frees those of some parked jobs that somebody wants; returns how many stay.
local function free_wanted(q, now, ids)
  local left = 0
  for _, id in ipairs(ids) do
    local f = redis.pcall('HMGET', q .. 'job:' .. id, 'name', 'rank', 'refused', 'key')
    if f[1] and not is_wanted(q, now, f[1], f[3]) then
      left = left + 1
    else
      leave_parked(q, id)
      unless_damaged(q, now, id, function()
        local job = q .. 'job:' .. id
        if has_name(job, f[1]) then free(q, id, f[2], f[3], f[4]) else redis.call('DEL', job) end
      end)
    end
  end
  return left
end

-- One lap over the parked jobs, started by whoever offers what nobody offered; `unpark` in meta is how far it got.
-- Returns whether there is more of it, and at how many it has looked.
local function unpark(q, now, most, from)
  local ids = redis.call('ZRANGE', q .. 'parked', from, from + most - 1)
  local left = free_wanted(q, now, ids)
  if #ids < most then
    redis.call('HDEL', q .. 'meta', 'unpark')
  else
    redis.call('HSET', q .. 'meta', 'unpark', from + left)
  end
  return #ids == most, #ids
end

-- Looks once more at what was parked just now: maybe by a worker of a version that knows no rosters. Returns false, and
-- at how many it has looked.
local function unpark_latest(q, now, most)
  local ids = redis.call('ZRANGEBYSCORE', q .. 'parked', now - LATELY_MS, '+inf', 'LIMIT', 0, most)
  free_wanted(q, now, ids)
  return false, #ids
end
