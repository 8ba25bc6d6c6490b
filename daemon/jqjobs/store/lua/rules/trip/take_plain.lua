--: include trip/read_plain
-- The way of most jobs, its beginning: a name and a payload, taken for the first time.
-- Gives: take_plain

-- plain: flat reply, five items a queue: its index, "id id …", runs and payloads as read_plain has them, 1 when ready
-- has more.
-- Returns how many were taken, their bytes, and whether ready has more.
local function take_plain(q, index, want, active, plain)
  local head = redis.call('ZRANGE', q .. 'ready', '0', want, 'WITHSCORES')
  local ids, runs, payloads, bytes = read_plain(q, head, want)
  local got, entering, n = #ids, {}, 0
  if got > 0 then
    -- Last one first: a short sorted set is searched from its head for where a member belongs.
    for i = got, 1, -1 do
      entering[n + 1], entering[n + 2], n = head[2 * i], ids[i] .. ' 1', n + 2
    end
    redis.call('ZADD', active, unpack(entering))
    redis.call('ZREMRANGEBYRANK', q .. 'ready', '0', got - 1)
    n = #plain
    plain[n + 1], plain[n + 2], plain[n + 3], plain[n + 4] = index, table.concat(ids, ' '), runs, payloads
    plain[n + 5] = #head > 2 * got and 1 or 0
  end
  return got, bytes, #head > 2 * got
end
