-- Places of a concurrency limit that were left behind.
-- Gives: heal, has_holder

local HEALED = 20  -- places looked at in one go

-- A place belongs to a job in a worker's hands: its attempt is written when it leaves them.
local function has_holder(q, member)
  local id, attempt = string.match(member, '^(%S+) (%d+)$')
  local before = id and tonumber(redis.call('HGET', q .. 'job:' .. id, 'attempt') or nil)
  return before and before == tonumber(attempt) - 1
end

-- A place whose job left in a way that nothing here knows is free again. Returns how many.
local function heal(q, now, limit)
  local key, freed = q .. 'limit:' .. limit.name, 0
  for _, member in ipairs(redis.call('ZRANGE', key, 0, HEALED - 1)) do
    if has_holder(q, member) then
      redis.call('ZADD', key, now, member)
    else
      freed = freed + redis.call('ZREM', key, member)
    end
  end
  return freed
end
