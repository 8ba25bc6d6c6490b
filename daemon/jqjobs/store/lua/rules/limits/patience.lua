--: include options outcome/dead
-- How often limits may hold a job back, and its end when they did so too often.
-- Gives: patience_of, give_up

-- How often limits may yet hold a job back, nil for any number; and whether each time counts as a failure.
local function patience_of(q, id, name)
  local entry, rest = published(q, name), nil
  local costs, most = entry.throttle_counts == true, tonumber(entry.max_throttles)
  if not costs and not most then return nil, false end
  local f = redis.call('HMGET', q .. 'job:' .. id, 'throttles', 'failures', 'forgiven', 'max_attempts')
  if most then rest = most - ((tonumber(f[1]) or 0) - forgiven(f[3], 4)) end
  if costs then
    local tries = option(q, name, f[4], 'max_attempts') - ((tonumber(f[2]) or 0) - forgiven(f[3], 1))
    rest = math.min(rest or tries, tries)
  end
  return rest, costs
end

local function give_up(q, now, id, name)
  local job = q .. 'job:' .. id
  redis.call('HSET', job, 'error', 'held back too often by the limit ' .. name)
  die(q, now, id, 'throttled', redis.call('HGET', job, 'key'))
end
