--: include coalescing_key record mend queue_name outcome/error_groups flow/ended
-- Damaged data (a key or field of the wrong type) ends neither the script nor the way of other jobs: a job is dead for
-- its own record only.
-- Gives: unless_damaged

local PARTS_OF_BATCH = { [''] = 'hash', [':open'] = 'set', [':dead'] = 'set', [':kept'] = 'set', [':seen'] = 'hash',
  [':at'] = 'hash' }

-- What belongs to one job, its limits, and its batch where that is kept here.
local function keys_of(q, id)
  local function field(name)
    local value = redis.pcall('HGET', q .. 'job:' .. id, name)
    return type(value) == 'string' and value or ''
  end
  local found = { ['job:' .. id .. ':history'] = 'list' }
  local home, batch = string.match(field('batch'), '^%+?([^/ ]+)/(%S+) ')
  for part, kind in pairs(home == queue_of(q) and PARTS_OF_BATCH or {}) do found['batch:' .. batch .. part] = kind end
  for kind, name in string.gmatch(field('limits'), '(%a) %d+ %d+ (%S+)') do
    found['held:' .. name], found['patience:' .. name] = 'zset', 'zset'
    found['limit:' .. name] = kind == 'c' and 'zset' or 'list'
  end
  return found
end

-- A job that cannot be handled is dead, and says which of its fields is why. The caller has taken it out of its set.
local function unless_damaged(q, now, id, handle)
  local fine, problem = pcall(handle)
  if not fine and mend(q, keys_of(q, id)) then fine, problem = pcall(handle) end  -- it was not this job
  if fine then return end
  local job = q .. 'job:' .. id
  local why = what_is_wrong(job) or type(problem) == 'table' and problem.err or tostring(problem)
  redis.call('ZADD', q .. 'dead', now, id)
  local key = redis.pcall('HGET', job, 'key')
  if type(key) == 'string' then
    free_key(q, id, key)
  elseif key then  -- no hash: nothing in it is of a job
    redis.call('DEL', job)
  end
  redis.call('HSET', job, 'reason', 'damaged', 'finished', now, 'error', why)
  count_death(q, now, id, 'damaged')
  pcall(flow_turns, q, now, id, 'dead')
end
