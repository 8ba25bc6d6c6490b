--: include limits/occupy turns/taken
-- Jobs with a limit go from ready into a worker's hands, and start with that.
-- Gives: move_limited

-- t: the trip, see serve.lua. ids, ranks: what ready begins with, of which the first n have been found; found: runs and
-- payloads of these as read_plain has them, their limits, and the texts of those. They are added to the answer only
-- now, since what is answered is in the worker's hands.
local function move_limited(t, q, index, active, has_groups, ids, ranks, n, found)
  local entering, at, plain, m = {}, 0, t.plain, #t.plain
  for i = n, 1, -1 do  -- last one first, as in trip/take_plain.lua
    entering[at + 1], entering[at + 2], at = ranks[i], ids[i] .. ' 1', at + 2
  end
  if has_groups then note_taken(q, ranks, 1, n, 1) end  -- first, as there, too
  redis.call('ZADD', active, unpack(entering))
  redis.call('ZREMRANGEBYRANK', q .. 'ready', '0', n - 1)
  for i = 1, n do pcall(occupy, q, t.now, found.limits[i], ids[i] .. ' 1') end
  plain[m + 1], plain[m + 2], plain[m + 3] = index, table.concat(ids, ' ', 1, n), found.runs
  plain[m + 4], plain[m + 5], plain[m + 6] = found.payloads, 0, table.concat(found.texts, '\n')
end
