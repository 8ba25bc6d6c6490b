-- What the jobs of one call wait with, added to `ready` in one.
-- Gives: write_ready

-- ready: ranks and ids, flat. Lua's stack has room for 8,000 values. Returns an empty one.
local function write_ready(q, ready)
  for n = 1, #ready, 1000 do redis.call('ZADD', q .. 'ready', unpack(ready, n, math.min(n + 999, #ready))) end
  return {}
end
