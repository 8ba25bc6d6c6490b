--: include limits/gate limits/opening limits/occupy trip/head trip/read_limited trip/read_plain trip/begin_now
--: include trip/costly trip/move_head
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
  local starts, found, runs, payloads, texts, n, last_name = {}, {}, {}, {}, {}, 0, nil
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
    add_run(runs, name, since, 1)
    n, last_name, starts[limit.name] = i, name, before + 1
    payloads[n], texts[n], found[n] = payload, text, limit
    t.want, t.room, t.costly = t.want - 1, t.room - #payload, t.costly - LIMITED_COSTS
  end
  if n == 0 then return #ids > 0 end
  move_head(q, index, active, has_groups, t.plain, ids, ranks, n, runs, payloads, 0, table.concat(texts, '\n'))
  for i = 1, n do pcall(occupy, q, t.now, found[i], ids[i] .. ' 1') end
  return n < #ids
end
