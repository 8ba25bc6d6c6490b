--: include mend limits/gate limits/opening limits/best_held
-- Where a limit lets the jobs go that it holds: one at a time, the next when that one has started.
-- Gives: open_gate, pass_on, on_timer

local MOST_LOOKS = 10         -- of those it holds, so many are looked at when a gate opens
local NEXT_LOOKS_MS = 50      -- until the next so many, when other limits held back all of these

local function open_gate(q, now, name, healing)
  local starts, going = read_gate(q, name)
  starts = starts or (redis.call('EXISTS', q .. 'held:' .. name) == 1 and 0)
  if not starts then return end
  if going and redis.call('ZSCORE', q .. 'ready', going) then
    return set_timer(q, name, tick_after(now, LOOK_AGAIN_MS))
  end
  for _ = 1, MOST_LOOKS do
    local best = redis.call('ZRANGE', q .. 'held:' .. name, 0, 0, 'WITHSCORES')
    if not best[1] then return close_gate_if_unused(q, name) end
    if consider(q, now, name, starts, best[1], best[2], healing) then return end
  end
  if read_gate(q, name) then set_timer(q, name, now + NEXT_LOOKS_MS) end
end

-- A job leaves ready and does not start: if it was the one on its way, the next one is.
local function pass_on(q, now, id, limits)
  for _, limit in ipairs(limits) do
    local starts, going = read_gate(q, limit.name)
    if going == id then
      write_gate(q, limit.name, starts)
      open_gate(q, now, limit.name)
    end
  end
end

local function on_timer(q, now, name)
  local fine = pcall(open_gate, q, now, name, true)
  if not fine and mend(q, { ['held:' .. name] = 'zset', ['patience:' .. name] = 'zset' }) then
    fine = pcall(open_gate, q, now, name, true)
  end
  if not fine then set_timer(q, name, tick_after(now, HEAL_MS)) end  -- damaged keys: others go on
end
