--: include core scheduled limits/gate limits/held limits/let_go parking/parked outcome/give_back
--: include outcome/over flow/begin_job flow/ended
-- A job leaves its queue for another one (moving/transfer.lua), or comes back.
-- Gives: leave_for, come_back

-- Returns the set that it waits or lies in, and its score there; nil where it may not be moved: a worker has it in
-- hand, somebody else is to answer for it in this queue, or it has succeeded.
local function place_of(q, id)
  for _, state in ipairs({ 'held', 'ready', 'scheduled', 'suspects', 'parked', 'dead' }) do
    local score = redis.call('ZSCORE', q .. state, id)
    if score then return state, score end
  end
end

local function leave_set(q, now, id, state)
  if state == 'held' then return leave_held(q, id) end
  if state == 'parked' then return leave_parked(q, id) end
  redis.call('ZREM', q .. state, id)
  if state == 'ready' then pass_on(q, now, id, limits_of(redis.call('HGET', q .. 'job:' .. id, 'limits'))) end
end

-- Returns whether it is on its way now. It is never in no set: it leaves the one when it is in the other, also where
-- what its limit has is damaged.
local function leave_for(q, now, id, target)
  local state, score = place_of(q, id)
  if not state then return false end
  local token = digits(now) .. '-' .. digits(redis.call('HINCRBY', q .. 'meta', 'seq', 1))
  local back_to = state == 'held' and 'ready' or state
  redis.call('HSET', q .. 'job:' .. id, 'moving', table.concat({ token, target, back_to, score }, ' '))
  redis.call('ZADD', q .. 'transfers', now, id)
  pcall(leave_set, q, now, id, state)
  return true
end

-- caller, id: "queue/batch", and "batch.then" or "batch.always". Its batch may be forgotten by now.
local function note_rejected(q, now, caller, id)
  local batch, kind = q .. 'batch:' .. string.match(caller, '[^/]+$'), string.match(id, '%a+$')
  if redis.pcall('HEXISTS', batch, 'opened') == 1 then redis.call('HSET', batch, kind .. '_rejected', now) end
end

-- It was not taken there, and is where it was again. It has left `transfers`.
local function come_back(q, now, id, state, score)
  if state == 'ready' or state == 'suspects' then return give_back(q, id, score) end
  if state == 'parked' then return park(q, now, id, redis.call('HGET', q .. 'job:' .. id, 'rank') or score) end
  if state == 'scheduled' then return set_alarm(q, id, score) end
  if state == 'new' then  -- it was never here, and another job has its id, or its key, there
    local f = redis.call('HMGET', q .. 'job:' .. id, 'payload', 'spread', 'key', 'caller')
    if not f[2] then  -- it follows an end; an envelope that is there already changes nothing
      refuse_taken(q, now, id, f[1] or '')
      if f[4] then note_rejected(q, now, f[4], id) end
      flow_turns(q, now, id, 'gone')
    end
    return forget(q, id, f[3] or nil)
  end
  redis.call('ZADD', q .. 'dead', score, id)
end
