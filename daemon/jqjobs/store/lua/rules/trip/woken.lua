--: include trip/nothing trip/standing trip/read_plain turns/taken workers/reap_due
-- What wakes an idle worker is most often one enqueue: one plain job, and nothing else to be done in any of its queues.
-- That takes fewer commands than a whole trip, of which nothing needs to be built (exchange.lua); it does the same.
-- Gives: take_alone

local MOST_QUEUES = 8  -- of more it would take as long to find out where the job is
local LATER = { 'inbox', 'suspects', 'scheduled', 'cancels' }
local READY = { 'ready' }

-- Returns the place of the only queue that has anything; nil where there are more, or more than jobs in ready.
local function only_filled(queues)
  local n = #queues
  if n > 1 and (n > MOST_QUEUES or not string.find(ARGV[6], 'pass')) then return end
  if count_keys(queues, 1, n, LATER) > 0 then return end
  if n == 1 then return 1 end
  if count_keys(queues, 1, n, READY) ~= 1 then return end
  for i = 1, n do
    if count_keys(queues, i, i, READY) == 1 then return i end
  end
end

-- Returns whether a trip is to do nothing there but take, and whether there are groups, or were (turns/last.lua).
local function is_calm(q, now)
  if standing_in(q, ARGV[2], tonumber(ARGV[3])) > 0 then return false end
  local meta = redis.call('HMGET', q .. 'meta', 'paused', 'uncounted', 'watch', 'tail', 'reaped', 'turns')
  if meta[1] or meta[2] or is_reap_due(now, tonumber(ARGV[5]), meta[5], true) then return false end
  return string.match(meta[3] or '', ' (%S+)$') ~= ARGV[2] and (tonumber(meta[4]) or 0) <= now, meta[6]
end

local function take_one(queues, now, now_text)
  local i = tonumber(ARGV[4]) > 0 and only_filled(queues)
  if not i then return end
  local q, first = queues[i], queues[1]
  local head = redis.call('ZRANGE', q .. 'ready', '0', '1', 'WITHSCORES')
  if head[3] then return end
  local calm, has_groups = is_calm(q, now)
  if not calm or (i > 1 and not is_calm(first, now)) then return end
  local id, rank = head[1], head[2]
  local got, runs, payloads = read_plain(q, { id }, 1, MOST_TAKE_BYTES)
  if got == 0 then return end
  local visited = i > 1 and { first, q } or { q }
  for _, each in ipairs(visited) do redis.call('ZREM', each .. 'wake', '1') end
  if has_groups then note_taken(q, { rank }, 1, 1, 1) end
  redis.call('ZADD', q .. 'active:' .. ARGV[2], rank, id .. ' 1')
  redis.call('ZREM', q .. 'ready', id)
  for _, each in ipairs(visited) do
    redis.call('SET', each .. 'trip:' .. ARGV[2], ARGV[3] .. ' ' .. now_text, 'KEEPTTL')
  end
  return { 0, now, -1, 0, { i, id, runs, payloads, 0, '' }, false }
end

-- Returns the answer of the trip; nil, false: it has to be a whole one. An error, too, is left to that, which finds all
-- in its place: only writes can fail that are before the first move.
local function take_alone(queues, now, now_text)
  local fine, answer = pcall(take_one, queues, now, now_text)
  return fine and answer
end
