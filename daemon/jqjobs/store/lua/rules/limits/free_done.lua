--: include limits/gate
-- Places that plain successes had in limits of concurrency.
-- Gives: free_done

-- t: the trip, see serve.lua. places: "id limit …" of first attempts. stale_before: what it has more of stale ones now,
-- the worker did not have any more. What is wrong with the keys of a limit is not the fault of who leaves it.
local function free_done(t, q, places, stale_before)
  local is_stale = {}
  for i = stale_before + 1, #t.stale do is_stale[t.stale[i]] = true end
  for id, name in string.gmatch(places, '(%S+) (%S+)') do
    if not is_stale[id] then
      local left = redis.pcall('ZREM', q .. 'limit:' .. name, id .. ' 1')
      if type(left) == 'number' and has_gates(q) then
        t.gates_opened = (t.gates_opened or 0) + 1  -- see trip/costly.lua
        pcall(t.rare().open_gate, q, t.now, name)
      end
    end
  end
end
