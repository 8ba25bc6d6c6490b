--: include turns/taken
-- What ready begins with goes into a worker's hands, and then into the answer: what is answered is in its hands.
-- Gives: move_head

-- plain: flat reply, six items a queue: its index, "id id …", runs and payloads as read_plain has them, 1 when ready
-- has more, "". Of jobs with a limit, see take_limited.lua, the last two are 0, and their limits, one a line.
-- ids, ranks: what ready begins with, of which `got` go. has_groups: there are groups in the queue, or were
-- (turns/last.lua). …: the last four items.
local function move_head(q, index, active, has_groups, plain, ids, ranks, got, ...)
  local entering, n = {}, 0
  -- Last one first: a short sorted set is searched from its head for where a member belongs.
  for i = got, 1, -1 do
    entering[n + 1], entering[n + 2], n = ranks[i], ids[i] .. ' 1', n + 2
  end
  if has_groups then note_taken(q, ranks, 1, got, 1) end  -- before the first move: it may find `turns` damaged
  redis.call('ZADD', active, unpack(entering))
  redis.call('ZREMRANGEBYRANK', q .. 'ready', '0', got - 1)
  n = #plain
  plain[n + 1], plain[n + 2] = index, table.concat(ids, ' ', 1, got)
  plain[n + 3], plain[n + 4], plain[n + 5], plain[n + 6] = ...
end
