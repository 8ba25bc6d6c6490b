--: include record damaged coalescing_key outcome/give_back outcome/dead
--: include parking/parked parking/refusals parking/signatures
-- Parked jobs wait for a worker again, once one offers what they lack; or it has been too long.
-- Gives: unpark, end_overdue_misfits

local function is_wanted(q, now, name, refused)
  local _, _, by = read_refusals(refused)
  if by then return is_offered_otherwise(q, now, name, by) end
  return is_name_offered(q, now, name)
end

local function free(q, id, rank, refused, key)
  give_back(q, id, rank)
  redis.call('HDEL', q .. 'job:' .. id, 'rank')
  if not refused then return end
  forgive_refusals(q, id, refused)
  claim_key(q, id, key)
end

-- One lap over the parked jobs, started by whoever offers what nobody offered; `unpark` in meta is how far it got.
-- Returns whether there is more of it, and at how many it has looked.
local function unpark(q, now, most, from)
  local ids = redis.call('ZRANGE', q .. 'parked', from, from + most - 1)
  local left = 0
  for _, id in ipairs(ids) do
    local f = redis.pcall('HMGET', q .. 'job:' .. id, 'name', 'rank', 'refused', 'key')
    if f[1] and not is_wanted(q, now, f[1], f[3]) then
      left = left + 1
    else
      leave_parked(q, id)
      unless_damaged(q, now, id, function()
        if has_name(q .. 'job:' .. id, f[1]) then free(q, id, f[2], f[3], f[4]) end
      end)
    end
  end
  if #ids < most then
    redis.call('HDEL', q .. 'meta', 'unpark')
  else
    redis.call('HSET', q .. 'meta', 'unpark', from + left)
  end
  return #ids == most, #ids
end

local function give_up_misfit(q, now, id)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'key', 'error')
  redis.call('HSET', q .. 'job:' .. id, 'error', 'no worker took it while it was parked: ' .. (f[2] or ''))
  die(q, now, id, 'discarded', f[1])
end

-- Returns whether there may be more, and how many there were.
local function end_overdue_misfits(q, now, most)
  local late = redis.call('ZRANGEBYSCORE', q .. 'misfits', '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(late) do
    if leave_parked(q, id) then unless_damaged(q, now, id, function() give_up_misfit(q, now, id) end) end
  end
  return #late == most, #late
end
