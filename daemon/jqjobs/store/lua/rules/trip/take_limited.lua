--: include limits/gate limits/opening trip/head trip/read_limited trip/begin_now trip/costly trip/move_limited
-- The way of most jobs with a limit, see read_limited.lua, where no limit of the queue holds any job back. What is in
-- the way is left to take.lua.
-- Gives: take_limited

-- starts: so many of this limit are not counted yet. Returns whether it is closed for the next one, or cannot be asked.
local function is_closed(q, now, limit, starts)
  if starts >= limit.most then return true end
  local fine, at = pcall(look_again_at, q, now, limit, starts)
  return not fine or at > now
end

-- t: the trip, see serve.lua. ids, ranks: what ready begins with, one more than it wants; nil when that is not known.
-- Returns whether ready has more, nil when that is not known.
local function take_limited(t, q, index, active, has_groups, ids, ranks)
  if has_gates(q) then return end
  if not ids then ids, ranks = head_of(q .. 'ready', t.want + 1, has_groups) end
  local starts, runs, payloads, texts, found, n = {}, {}, {}, {}, {}, 0
  local last_name, last_since, run = nil, nil, 0
  for i = 1, math.min(#ids, t.want) do
    t.stop = t.room < 0 or costly_left(t) <= 0
    t.more = t.stop and 1 or t.more
    if t.stop then break end
    local name, payload, since, text, limits = read_limited(q .. 'job:' .. ids[i], last_name)
    if not name then break end
    local limit = limits[1]
    local before = starts[limit.name] or 0
    if is_closed(q, t.now, limit, before) then break end
    t.stop = not can_begin_now(t, t.asked - t.want, limits)
    if t.stop then break end
    if name ~= last_name or since ~= last_since then
      last_name, last_since, run = name, since, run + 3
      runs[run - 2], runs[run - 1], runs[run] = name, since, 0
    end
    n, runs[run], starts[limit.name] = i, runs[run] + 1, before + 1
    payloads[n], texts[n], found[n] = payload, text, limit
    t.want, t.room, t.costly = t.want - 1, t.room - #payload, t.costly - LIMITED_COSTS
  end
  local all = { runs = runs, payloads = payloads, texts = texts, limits = found }
  if n > 0 then move_limited(t, q, index, active, has_groups, ids, ranks, n, all) end
  return n < #ids
end
