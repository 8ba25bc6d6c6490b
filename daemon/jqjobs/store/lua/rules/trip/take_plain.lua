--: include trip/head trip/read_plain turns/taken
-- The way of most jobs, its beginning: a name and a payload, taken for the first time.
-- Gives: take_plain

-- plain: flat reply, six items a queue: its index, "id id …", runs and payloads as read_plain has them, 1 when ready
-- has more, "". Of jobs with a limit, see move_limited.lua, the last two are 0, and their limits, one a line.
-- room: see read_plain. has_groups: there are groups in the queue, or were (turns/last.lua).
-- Returns how many were taken, their bytes, and whether ready has more; when none was, ids and ranks of its head.
local function take_plain(q, index, want, room, active, plain, has_groups)
  local ids, ranks = head_of(q .. 'ready', want + 1, has_groups)
  local got, runs, payloads, bytes = read_plain(q, ids, want, room)
  if got > 0 then
    local entering, n = {}, 0
    -- Last one first: a short sorted set is searched from its head for where a member belongs.
    for i = got, 1, -1 do
      entering[n + 1], entering[n + 2], n = ranks[i], ids[i] .. ' 1', n + 2
    end
    if has_groups then note_taken(q, ranks, 1, got, 1) end  -- before the first move: it may find `turns` damaged
    redis.call('ZADD', active, unpack(entering))
    redis.call('ZREMRANGEBYRANK', q .. 'ready', '0', got - 1)
    n = #plain
    plain[n + 1], plain[n + 2], plain[n + 3], plain[n + 4] = index, table.concat(ids, ' ', 1, got), runs, payloads
    plain[n + 5], plain[n + 6] = #ids > got and 1 or 0, ''
  end
  if got > 0 then return got, bytes, #ids > got end
  return 0, 0, #ids > 0, ids, ranks
end
