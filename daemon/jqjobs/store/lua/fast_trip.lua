--: include core trip/standing trip/leave_active trip/take_plain outcome/succeeded trip/read_plain trip/still_served
-- A trip between two whole ones (exchange.lua), in the queue that gave the last job: first attempts that succeeded with
-- nothing to say are settled, plain jobs are taken, and nothing else is looked at. So it is allowed only while somebody
-- has made a whole one there just now (rules/trip/served.lua), and nothing has happened since that is to be seen at
-- once: who pauses, cancels or suspects takes that mark away.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""; workers give what their last whole trip makes it   ARGV[2] worker id   ARGV[3] trip number
-- ARGV[4] want, 0 to 500   then ids of plain successes
-- Returns { status, more, stale, ids, runs, payloads }
--   status  0 ok | 1 FENCED | 2 LATE, as in exchange.lua | 3 FULL: make a whole trip; only its number counts
--   more    1 when ready has more   stale  ids: settled too late; or nil
--   ids, runs, payloads  plain jobs, see rules/trip/move_head.lua; nothing: make a whole trip
-- First write: ZREM, or ZREMRANGEBYRANK of what is settled: passes when Redis is full; none when the status is 1 or 2
local q, worker, want, settling = prefix(KEYS[1]), ARGV[2], tonumber(ARGV[4]), #ARGV - 4
local now, now_text = clock(ARGV[1])
local active, standing, taken = q .. 'active:' .. worker, standing_in(q, worker, tonumber(ARGV[3]))
if standing > 0 then return { standing } end

local meta = redis.pcall('HMGET', q .. 'meta', 'served', 'turns')

local stale, ids, left = {}, {}, 0
local function settle()
  if settling > 0 then ids, left = leave_active(active, 5, settling, stale) else allow_when_full(q) end
end

local function note_trip(taken_text)
  redis.call('SET', q .. 'trip:' .. worker, ARGV[3] .. ' ' .. taken_text, 'KEEPTTL')
end

if not (is_served(meta[1], now) and pcall(settle)) then
  allow_when_full(q)
  note_trip(taken)
  return { 3 }
end
note_trip(want > 0 and now_text or taken)
if left > 0 then
  note_successes(q, ids)
  redis.pcall('HINCRBY', q .. 'meta', 'uncounted', left)
  for i, id in ipairs(ids) do ids[i] = q .. 'job:' .. id end
  redis.call('DEL', unpack(ids))
end
local plain = {}
if want > 0 then pcall(take_plain, q, 1, want, MOST_TAKE_BYTES, active, plain, meta[2]) end
return { 0, plain[5] or 0, #stale > 0 and stale, plain[2], plain[3], plain[4] }
