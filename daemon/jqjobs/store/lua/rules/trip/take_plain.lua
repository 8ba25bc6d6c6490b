-- The way of most jobs, its beginning: a name and a payload, taken for the first time.
-- Gives: MOST_TAKE_BYTES, take_plain

local MOST_TAKE_BYTES = 1048576

-- head: what ready begins with, and ranks. Returns ids, names (each with how often it comes in a row) and payloads
-- of the jobs before the first that is not plain or was taken before, and the bytes of those payloads.
-- A damaged job is not plain either, so redis.pcall.
local function read_plain(q, head, most)
  local read, job, ids, names, payloads, n, bytes = redis.pcall, q .. 'job:', {}, {}, {}, 0, 0
  local last, run = nil, 0
  for i = 1, math.min(#head, 2 * most), 2 do
    local f = read('HMGET', job .. head[i], 'name', 'payload', 'attempt')
    local name, payload = f[1], f[2]
    if f[3] or not payload or not name or bytes > MOST_TAKE_BYTES then break end
    n = n + 1
    ids[n], payloads[n], bytes = head[i], payload, bytes + #payload
    if name ~= last then last, run, names[run + 1], names[run + 2] = name, run + 2, name, 0 end
    names[run] = names[run] + 1
  end
  return ids, names, payloads, bytes
end

-- plain: flat reply, four items a queue: its index, "id id …", names and payloads as read_plain has them.
-- Returns how many were taken, their bytes, and whether ready has more.
local function take_plain(q, index, want, active, plain)
  local head = redis.call('ZRANGE', q .. 'ready', '0', want, 'WITHSCORES')
  local ids, names, payloads, bytes = read_plain(q, head, want)
  local got, entering, n = #ids, {}, 0
  if got > 0 then
    -- Last one first: a short sorted set is searched from its head for where a member belongs.
    for i = got, 1, -1 do
      entering[n + 1], entering[n + 2], n = head[2 * i], ids[i] .. ' 1', n + 2
    end
    redis.call('ZADD', active, unpack(entering))
    redis.call('ZREMRANGEBYRANK', q .. 'ready', '0', got - 1)
    n = #plain
    plain[n + 1], plain[n + 2], plain[n + 3], plain[n + 4] = index, table.concat(ids, ' '), names, payloads
  end
  return got, bytes, #head > 2 * got
end
