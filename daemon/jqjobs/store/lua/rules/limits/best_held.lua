--: include record damaged limits/gate limits/held limits/opening limits/patience limits/hold_back limits/heal
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

local function end_damaged(q, now, id, name)
  unless_damaged(q, now, id, function()
    if has_name(q .. 'job:' .. id, name) then error('its field held or limits does not say what holds it', 0) end
  end)
end

-- Sends it to ready, if all its limits are open. One that another limit holds back is held by that one from now on.
-- Returns true unless the next one is to be looked at.
local function consider(q, now, name, starts, id, rank, healing)
  local f = redis.pcall('HMGET', q .. 'job:' .. id, 'limits', 'name')
  local fine, limit = pcall(refusal, q, now, limits_of(f[1]), rank)
  if fine and limit and limit.name == name then
    if healing and limit.kind == 'c' and heal(q, now, limit) > 0 then return false end
    set_timer(q, name, look_again_at(q, now, limit))
    return true
  end
  local spent = redis.call('ZSCORE', q .. 'patience:' .. name, id)
  local was_held, left = leave_held(q, id)
  if not fine or left ~= name or not f[2] then  -- its record is gone or damaged
    redis.call('ZREM', q .. 'held:' .. name, id)
    redis.call('ZREM', q .. 'patience:' .. name, id)
    if was_held then end_damaged(q, now, id, f[2]) end
  elseif spent and tonumber(spent) <= starts then
    give_up(q, now, id, name)
  elseif limit then
    hold(q, now, id, rank, limit, patience_of(q, id, f[2]))
  else
    return send_to_ready(q, now, name, starts, id, rank)
  end
  return false
end
