--: include core scheduled limits/gate limits/held limits/let_go parking/parked outcome/give_back
-- A job leaves its queue for another one (moving/transfer.lua), or comes back.
-- Gives: leave_for, come_back

-- Takes a job out of the set that it waits or lies in. Returns that and its score; nil where it may not be moved:
-- a worker has it in hand, somebody else is to answer for it in this queue, or it has succeeded.
local function leave_set(q, now, id)
  local rank = leave_held(q, id)
  if rank then return 'ready', rank end
  for _, state in ipairs({ 'ready', 'scheduled', 'suspects', 'parked', 'dead' }) do
    local score = redis.call('ZSCORE', q .. state, id)
    if score then
      if state == 'parked' then leave_parked(q, id) else redis.call('ZREM', q .. state, id) end
      if state == 'ready' then pass_on(q, now, id, limits_of(redis.call('HGET', q .. 'job:' .. id, 'limits'))) end
      return state, score
    end
  end
end

-- Returns whether it is on its way now.
local function leave_for(q, now, id, target)
  local state, score = leave_set(q, now, id)
  if not state then return false end
  local token = digits(now) .. '-' .. digits(redis.call('HINCRBY', q .. 'meta', 'seq', 1))
  redis.call('HSET', q .. 'job:' .. id, 'moving', table.concat({ token, target, state, score }, ' '))
  redis.call('ZADD', q .. 'transfers', now, id)
  return true
end

-- It was not taken there, and is where it was again. It has left `transfers`.
local function come_back(q, now, id, state, score)
  if state == 'ready' or state == 'suspects' then return give_back(q, id, score) end
  if state == 'parked' then return park(q, now, id, redis.call('HGET', q .. 'job:' .. id, 'rank') or score) end
  if state == 'scheduled' then return set_alarm(q, id, score) end
  redis.call('ZADD', q .. 'dead', score, id)
end
