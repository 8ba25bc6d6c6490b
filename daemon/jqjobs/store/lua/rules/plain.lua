-- The way of most jobs: a name and a payload, taken for the first time, done, gone. A trip that meets nothing else
-- does without the rest of the rules (exchange.lua).
-- The attempt is part of the member in the active set, and is written to the job only when that goes back
-- or fails: a job that succeeds at once has no write of its own here.

local MOST_TAKE_BYTES = 1048576

-- Takes first attempts out of the active set: `n` ids from ARGV[at] on. Returns those that were there, how many
-- left, and whether the set is known to be empty now. stale gets the others.
-- Most workers finish in the order they took, so their report is the head of the set: two texts are compared, not
-- a rank asked of each.
local function leave_active(active, at, n, stale)
  local held = redis.call('ZRANGE', active, '0', n)
  if #held >= n and table.concat(held, ' ', 1, n) == table.concat(ARGV, ' 1 ', at, at + n - 1) .. ' 1' then
    return { unpack(ARGV, at, at + n - 1) }, redis.call('ZREMRANGEBYRANK', active, '0', n - 1), #held == n
  end
  local members, ids, ours = {}, {}, {}
  for i = 1, n do members[i] = ARGV[at + i - 1] .. ' 1' end
  for i, rank in ipairs(redis.call('ZMSCORE', active, unpack(members))) do
    local id = ARGV[at + i - 1]
    if rank then
      ids[#ids + 1], ours[#ours + 1] = id, members[i]
    else
      stale[#stale + 1] = id
    end
  end
  return ids, redis.call('ZREM', active, '', unpack(ours)), false
end

-- Successes of first attempts whose result nobody asked for, without a key or limits. Returns whether the worker
-- is known to hold nothing of this queue any more. Its first write is one that is allowed when Redis is full.
local function settle_plain(q, now, active, at, n, stale, quiet)
  local ids, left, empty = leave_active(active, at, n, stale)
  if left == 0 then return empty end
  if not quiet and redis.call('EXISTS', q .. 'cancels') == 1 then
    for _, id in ipairs(ids) do unmark_cancel(q, active, id .. ' 1') end
  end
  local job = q .. 'job:'
  for i, id in ipairs(ids) do ids[i] = job .. id end
  count(q, now, 'done', left)
  redis.call('DEL', unpack(ids))
  return empty
end

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
-- Returns how many were taken, their bytes, and whether ready holds more.
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

-- A suspect was taken alone, and stays alone while it runs. empty: by index, queues the worker holds nothing of.
local function holds_suspect(queues, worker, empty)
  for i, q in ipairs(queues) do
    local held = empty[i] and {} or redis.call('ZRANGE', q .. 'active:' .. worker, '0', '1')
    if #held > 1 then return false end
    if #held == 1 then return redis.call('HEXISTS', q .. 'job:' .. string.match(held[1], '%S+'), 'suspect') == 1 end
  end
  return false
end
