-- Signs of life of daemons: entries of the registry, and when each daemon was heard of.
-- Gives: heard_ahead, set_back, write_entry
-- A worker is found by the entry of its daemon, which expires soon.
local WORKER_TTL_MS = 180000
local AHEAD_MS, MOST_AHEAD = 1000, 1000

-- Who was heard of later than now, since the clock was set back; an error where the key is of another type.
local function heard_ahead(daemons, now)
  return redis.pcall('ZRANGEBYSCORE', daemons, now + AHEAD_MS, '+inf', 'LIMIT', 0, MOST_AHEAD)
end

local function set_back(daemons, now, ahead)
  for _, daemon in ipairs(ahead) do redis.call('ZADD', daemons, now, daemon) end
end

-- Field names and values from ARGV[at + 1] on, ARGV[at] of them; none: there is no entry. Returns where the next are.
-- ttl: of a daemon's.
local function write_entry(key, at, ttl)
  local items = tonumber(ARGV[at])
  if items == 0 then redis.call('DEL', key) end
  if items > 0 then
    redis.call('HSET', key, unpack(ARGV, at + 1, at + items))
    redis.call('PEXPIRE', key, ttl or WORKER_TTL_MS)
  end
  return at + 1 + items
end
