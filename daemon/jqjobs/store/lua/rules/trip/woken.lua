--: include core trip/standing trip/read_plain turns/taken workers/reap_due
-- What wakes an idle worker is most often one enqueue: one plain job, and nothing else to be done in any of its queues.
-- That takes fewer commands than a whole trip, of which nothing needs to be built (exchange.lua); it does the same.
-- Gives: take_alone

local MOST_QUEUES = 8  -- of more it would take as long to find out where the job is

local function count_there(keys, parts)
  local names, n = {}, 0
  for _, key in ipairs(keys) do
    for _, part in ipairs(parts) do names[n + 1], n = prefix(key) .. part, n + 1 end
  end
  return redis.call('EXISTS', unpack(names))
end

-- Returns the place of the only queue that has anything, nil where there are more, or more than jobs in ready.
local function only_filled(keys)
  if count_there(keys, { 'inbox', 'suspects', 'scheduled', 'cancels' }) > 0 then return end
  if #keys == 1 then return 1 end
  if #keys > MOST_QUEUES or count_there(keys, { 'ready' }) ~= 1 then return end
  for i, key in ipairs(keys) do
    if redis.call('EXISTS', prefix(key) .. 'ready') == 1 then return i end
  end
end

-- Returns whether a trip is to do nothing there but take, and whether there are groups, or were (turns/last.lua).
local function is_calm(q, now)
  if standing_in(q, ARGV[2], tonumber(ARGV[3])) > 0 then return false end
  local meta = redis.call('HMGET', q .. 'meta', 'paused', 'uncounted', 'watch', 'tail', 'reaped', 'turns')
  if meta[1] or meta[2] or is_reap_due(now, tonumber(ARGV[5]), meta[5], true) then return false end
  return string.match(meta[3] or '', ' (%S+)$') ~= ARGV[2] and (tonumber(meta[4]) or 0) <= now, meta[6]
end

local function take_one(keys)
  local i = only_filled(keys)
  if not i or tonumber(ARGV[4]) < 1 or (#keys > 1 and not string.find(ARGV[6], 'pass')) then return end
  local q, first, now, now_text = prefix(keys[i]), prefix(keys[1]), clock(ARGV[1])
  local calm, has_groups = is_calm(q, now)
  if not calm or (i > 1 and not is_calm(first, now)) then return end
  local head = redis.call('ZRANGE', q .. 'ready', '0', '1', 'WITHSCORES')
  local id, rank = head[1], head[2]
  local got, runs, payloads = read_plain(q, { id }, 1, MOST_TAKE_BYTES)
  if head[3] or got == 0 then return end
  redis.call('ZREM', q .. 'wake', '1')
  if has_groups then note_taken(q, { rank }, 1, 1, 1) end
  redis.call('ZADD', q .. 'active:' .. ARGV[2], rank, id .. ' 1')
  redis.call('ZREM', q .. 'ready', id)
  for _, each in ipairs(i > 1 and { first, q } or { q }) do
    redis.call('SET', each .. 'trip:' .. ARGV[2], ARGV[3] .. ' ' .. now_text, 'KEEPTTL')
  end
  return { 0, now, -1, 0, { i, id, runs, payloads, 0 }, false }
end

-- Returns the answer of the trip; nil, false: it has to be a whole one. An error, too, is left to that, which finds all
-- in its place: only writes can fail that are before the first move.
local function take_alone(keys)
  local fine, answer = pcall(take_one, keys)
  return fine and answer
end
