--: include outcome/over outcome/succeeded outcome/error_groups setting flow/ended
-- What retention no longer covers is forgotten: results whose time is over, dead jobs that are too old or too many;
-- as people have set it for this queue, else as its daemon says.
-- Gives: forget_kept, trim_dead

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

-- Returns the first of those that came until a moment, or are more than may be kept: at most so many.
local function first_over(q, state, moment, kept, most)
  local over = redis.call('ZRANGEBYSCORE', q .. state, '-inf', moment, 'LIMIT', 0, most)
  local surplus = math.min(most, redis.call('ZCARD', q .. state) - kept)
  return surplus > #over and redis.call('ZRANGE', q .. state, 0, surplus - 1) or over
end

-- Each returns whether there may be more, and how many were forgotten; most: of one call.

local function forget_kept(q, now, most)
  local over = first_over(q, 'kept', now, setting(q, 'max_kept', math.huge), most)
  note_successes(q, over)
  return drop(q, now, 'kept', over) == most, #over
end

-- What was trimmed is counted for good: nothing else tells of it.
local function trim_dead(q, now, most, most_dead, dead_ms)
  local over = first_over(q, 'dead', now - setting(q, 'dead_ms', dead_ms), setting(q, 'max_dead', most_dead), most)
  drop(q, now, 'dead', over)
  if #over > 0 then redis.call('HINCRBY', q .. 'meta', 'trimmed', #over) end
  -- Of what was lost in another way nobody has counted down.
  if redis.call('EXISTS', q .. 'dead', q .. 'transfers') == 0 then redis.call('DEL', q .. 'errors') end
  return #over == most, #over
end
