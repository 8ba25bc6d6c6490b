--: include core name trip/plain_fields outcome/succeeded trip/still_served
-- The fast trip (fast_trip.lua) that there is one of for each job of more than a moment: one job is settled, and one is
-- taken. It does the same, and has no step for what several would need.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or "", as there   ARGV[2] worker id   ARGV[3] trip number   ARGV[4] id of a plain success
-- Returns { status, more, stale, id, name, payload, since }
--   status, more  as there   stale  1 when it was settled too late
--   since         when it was enqueued or due, ms as text, or nil; nothing from id on: make a whole trip
-- First write: SET, passes when Redis is full, being tried again after one that does
local q, worker, number, id = prefix(KEYS[1]), ARGV[2], ARGV[3], ARGV[4]
local now, now_text = clock(ARGV[1])
local active, trip = q .. 'active:' .. worker, q .. 'trip:' .. worker

local function note_trip(value) return redis.pcall('SET', trip, value, 'KEEPTTL', 'GET') end
local function is_error(reply) return type(reply) == 'table' end

local meta = redis.pcall('HMGET', q .. 'meta', 'served', 'turns')
local seen = note_trip(number .. ' ' .. now_text)
if is_error(seen) then  -- Redis is full; or the key is damaged: then that changes nothing, and a whole trip mends it
  allow_when_full(q)
  seen = note_trip(number .. ' ' .. now_text)
  if is_error(seen) then return { 3 } end
end
if not seen then
  redis.call('DEL', trip)
  return { 3 }
end
local is_out = string.find(seen, ' %a')  -- gone, or in no queue until it joins again
if is_out or tonumber(string.match(seen, '^%d+') or 0) >= tonumber(number) then
  note_trip(seen)
  return { is_out and 1 or 2 }
end
local left = is_served(meta[1], now) and redis.pcall('ZREM', active, id .. ' 1')
if not left or is_error(left) then
  --: include in_hand
  note_trip(number .. ' ' .. taken_at(seen))
  return { 3 }
end
if left == 1 then
  note_successes(q, { id })
  redis.pcall('HINCRBY', q .. 'meta', 'uncounted', 1)
  redis.call('DEL', q .. 'job:' .. id)
end
local head = redis.pcall('ZRANGE', q .. 'ready', '0', '1', 'WITHSCORES')
if not head[1] then return { 0, 0, 1 - left } end
local name, payload, since = read_fields(q .. 'job:' .. head[1])
if not name or not payload or not is_name(name) then return { 0, 0, 1 - left } end
if meta[2] then
  --: include turns/taken
  if not pcall(note_taken, q, head, 2, 2, 1) then return { 0, 0, 1 - left } end  -- `turns` is damaged
end
redis.call('ZADD', active, head[2], head[1] .. ' 1')
redis.call('ZREMRANGEBYRANK', q .. 'ready', '0', '0')
return { 0, head[3] and 1 or 0, 1 - left, head[1], name, payload, since }
