--: include name
-- The way of most jobs, its beginning: a name and a payload, taken for the first time.
-- Gives: MOST_TAKE_BYTES, take_plain

local MOST_TAKE_BYTES = 1048576

-- head: what ready begins with, and ranks. Returns ids, runs (name, since when it waits, how often both come in a row)
-- and payloads of the jobs before the first that is not plain or was taken before, and the bytes of those payloads.
-- A damaged job is not plain either, so redis.pcall.
local function read_plain(q, head, most)
  local read, job, ids, runs, payloads, n, bytes = redis.pcall, q .. 'job:', {}, {}, {}, 0, 0
  local last, last_since, run = nil, nil, -2
  for i = 1, math.min(#head, 2 * most), 2 do
    local f = read('HMGET', job .. head[i], 'name', 'payload', 'attempt', 'enqueued', 'due')
    local name, payload, since = f[1], f[2], f[5] or f[4]
    if f[3] or not payload or not name or bytes > MOST_TAKE_BYTES then break end
    if name ~= last and not is_name(name) then break end
    n = n + 1
    ids[n], payloads[n], bytes = head[i], payload, bytes + #payload
    if name ~= last or since ~= last_since then
      last, last_since, run = name, since, run + 3
      runs[run], runs[run + 1], runs[run + 2] = name, since, 0
    end
    runs[run + 2] = runs[run + 2] + 1
  end
  return ids, runs, payloads, bytes
end

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
