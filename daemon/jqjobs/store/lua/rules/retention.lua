--: include outcome/over outcome/succeeded outcome/error_groups setting flow/ended
-- What retention no longer covers is forgotten: results whose time is over, dead jobs that are too old or too many;
-- as people have set it for this queue, else as its daemon says.
-- Gives: forget_kept, trim_dead

local MOST_FORGOTTEN = 100  -- for one reason, in one call

local function drop(q, now, state, ids)
  if #ids == 0 then return 0 end
  for _, id in ipairs(ids) do
    local f = redis.pcall('HMGET', q .. 'job:' .. id, 'key', 'group', 'flow')
    if f[3] and state == 'dead' then pcall(flow_turns, q, now, id, 'gone') end
    forget(q, id, f[1])
    if f[2] then uncount_death(q, id, f[2]) end
  end
  redis.call('ZREM', q .. state, unpack(ids))
  return #ids
end

local function first_until(q, state, moment)
  return redis.call('ZRANGEBYSCORE', q .. state, '-inf', moment, 'LIMIT', 0, MOST_FORGOTTEN)
end

local function first_beyond(q, state, most)
  local surplus = math.min(MOST_FORGOTTEN, redis.call('ZCARD', q .. state) - most)
  return surplus > 0 and redis.call('ZRANGE', q .. state, 0, surplus - 1) or {}
end

local function forget_successes(q, now, ids)
  note_successes(q, ids)
  return drop(q, now, 'kept', ids)
end

-- Returns whether there may be more.
local function forget_kept(q, now)
  local over = forget_successes(q, now, first_until(q, 'kept', now))
  local surplus = forget_successes(q, now, first_beyond(q, 'kept', setting(q, 'max_kept', math.huge)))
  return math.max(over, surplus) == MOST_FORGOTTEN
end

-- Returns how many, and whether there may be more. What was trimmed is counted for good: nothing else tells of it.
local function trim_dead(q, now, most, ms)
  local old = drop(q, now, 'dead', first_until(q, 'dead', now - setting(q, 'dead_ms', ms)))
  local surplus = drop(q, now, 'dead', first_beyond(q, 'dead', setting(q, 'max_dead', most)))
  if old + surplus > 0 then redis.call('HINCRBY', q .. 'meta', 'trimmed', old + surplus) end
  -- Of what was lost in another way nobody has counted down.
  if redis.call('EXISTS', q .. 'dead', q .. 'transfers') == 0 then redis.call('DEL', q .. 'errors') end
  return old + surplus, math.max(old, surplus) == MOST_FORGOTTEN
end
