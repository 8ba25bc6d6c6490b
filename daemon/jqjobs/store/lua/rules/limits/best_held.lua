--: include limits/gate limits/held limits/opening limits/patience limits/hold_back limits/heal
-- What becomes of the best job that a limit holds, when the limit may be open.
-- Gives: consider, LOOK_AGAIN_MS

local LOOK_AGAIN_MS = 5000    -- until it is noticed that who was sent to ready is gone without a start

-- Its moment has come, and no other one's before it has started. Returns true.
local function send_to_ready(q, now, name, starts, id, rank)
  redis.call('ZADD', q .. 'ready', rank, id)
  if not read_gate(q, name) then return true end
  write_gate(q, name, starts, id)
  set_timer(q, name, tick_after(now, LOOK_AGAIN_MS))
  return true
end

-- Sends it to ready, if all its limits are open. One that another limit holds back is held by that one from now on.
-- Returns true unless the next one is to be looked at.
local function consider(q, now, name, starts, id, rank, healing)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'limits', 'name')
  local limit = refusal(q, now, limits_of(f[1]), rank)
  if limit and limit.name == name then
    if healing and limit.kind == 'c' and heal(q, now, limit) > 0 then return false end
    set_timer(q, name, look_again_at(q, now, limit))
    return true
  end
  local spent = redis.call('ZSCORE', q .. 'patience:' .. name, id)
  local _, left = leave_held(q, id)
  if left ~= name or not f[2] then  -- its record is gone or damaged
    redis.call('ZREM', q .. 'held:' .. name, id)
    redis.call('ZREM', q .. 'patience:' .. name, id)
  elseif spent and tonumber(spent) <= starts then
    give_up(q, now, id, name)
  elseif limit then
    hold(q, now, id, rank, limit, patience_of(q, id, f[2]))
  else
    return send_to_ready(q, now, name, starts, id, rank)
  end
  return false
end
