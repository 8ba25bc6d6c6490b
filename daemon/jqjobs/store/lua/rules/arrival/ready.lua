--: include rank_texts
-- What the jobs of one call wait with, added to `ready` in one.
-- Gives: ranks_of_run, write_ready

local texts = {}  -- first rank → ranks of a run: where many groups take turns, it is the same for many

-- Returns texts of `first` and what follows it, n of them or more; none where they cannot be counted.
local function ranks_of_run(first, n)
  if not texts[first] or #texts[first] < n then texts[first] = rank_texts(first, n) or {} end
  return texts[first]
end

-- ready: ranks and ids, flat. Lua's stack has room for 8,000 values. Returns an empty one. Raises: where `ready` is
-- damaged; the records of these jobs are gone then, so that who sends them again is not told that they are there.
local function write_ready(q, ready)
  for n = 1, #ready, 1000 do
    local added = redis.pcall('ZADD', q .. 'ready', unpack(ready, n, math.min(n + 999, #ready)))
    if type(added) ~= 'number' then
      for i = n + 1, #ready, 2 do redis.call('DEL', q .. 'job:' .. ready[i]) end
      error(added.err, 0)
    end
  end
  return {}
end
