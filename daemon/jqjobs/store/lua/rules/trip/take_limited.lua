--: include limits/gate limits/opening limits/occupy turns/taken trip/head trip/read_limited trip/begin_now trip/costly
-- The way of most jobs with a limit, see read_limited.lua, where no limit of the queue holds any job back. What is in
-- the way is left to take.lua.
-- Gives: take_limited

-- starts: so many of this limit are not counted yet. Returns whether it holds the next one back, or cannot be asked.
local function is_closed(q, now, limits, starts, rank)
  local limit = limits[1]
  if starts >= limit.most then return true end
  if starts > 0 then
    limits = { { kind = limit.kind, most = limit.most - starts, window = limit.window, name = limit.name } }
  end
  local _, closed = pcall(refusal, q, now, limits, rank)
  return closed
end

-- Moves the first ones of ready, as many as were found, and adds them to the answer: only now, since what is answered
-- is in the worker's hands. found: flat, of each name, payload, extra, limit.
local function move_limited(t, q, index, active, has_groups, ids, ranks, found)
  local entering, jobs, n = {}, t.jobs, #found / 4
  if n == 0 then return end
  for i = n, 1, -1 do  -- last one first, as in trip/take_plain.lua
    entering[#entering + 1], entering[#entering + 2] = ranks[i], ids[i] .. ' 1'
  end
  if has_groups then note_taken(q, ranks, 1, n, 1) end  -- first, as there, too
  redis.call('ZADD', active, unpack(entering))
  redis.call('ZREMRANGEBYRANK', q .. 'ready', '0', n - 1)
  for i = 1, n do
    local at, from = #jobs, 4 * i - 3
    pcall(occupy, q, t.now, found[from + 3], ids[i] .. ' 1')
    jobs[at + 1], jobs[at + 2], jobs[at + 3] = index, ids[i], 1
    jobs[at + 4], jobs[at + 5], jobs[at + 6] = found[from], found[from + 1], found[from + 2]
  end
end

-- t: the trip, see serve.lua. Returns whether ready has more, nil when that is not known.
local function take_limited(t, q, index, active, has_groups)
  if has_gates(q) then return end
  local ids, ranks = head_of(q .. 'ready', t.want, has_groups)
  local want, found, starts, n = t.want, {}, {}, 0
  for i, id in ipairs(ids) do
    t.stop = t.room < 0 or costly_left(t) <= 0
    t.more = t.stop and 1 or t.more
    local name, payload, since, text, limits = read_limited(q .. 'job:' .. id)
    if t.stop or not name then break end
    local limit = limits[1]
    local before = starts[limit.name] or 0
    if is_closed(q, t.now, limits, before, ranks[i]) then break end
    t.stop = not can_begin_now(t, t.asked - t.want, limits)
    if t.stop then break end
    found[n + 1], found[n + 2], found[n + 3], found[n + 4], n = name, payload, { since, text }, limit, n + 4
    starts[limit.name] = before + 1
    t.want, t.room, t.costly = t.want - 1, t.room - #payload, t.costly - LIMITED_COSTS
  end
  move_limited(t, q, index, active, has_groups, ids, ranks, found)
  if want - t.want < #ids then return true end
  if #ids < want then return false end
end
