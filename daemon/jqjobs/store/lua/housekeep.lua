--: include core
-- What time does to a queue while all workers are busy: promote, reap, end waits that nobody has answered, free
-- parked jobs when somebody offers what they lack, forget what retention no longer covers. A call is short, however
-- much there is: about a thousand commands; call again while more is 1.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] lease, ms   ARGV[3] dead jobs kept at most   ARGV[4] dead jobs kept for, ms
-- ARGV[5] pause, ms: nothing is done when somebody did all of it less than this ago; one daemon in a fleet is enough
-- Returns { more, ms until the next scheduled job or -1, 1 if there is anything in the inbox, workers reaped,
--   dead jobs trimmed, which keys of a wrong type it or any script has set aside since it last told or "", jobs and
--   notices that wait to be delivered elsewhere since 2 s, 1 if there are such by this call }
-- First write: ZREM, passes when Redis is full; none within the pause
local CHUNK, COMMANDS = 100, 1000
local q, now, lease = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2])
local since = now - (tonumber(redis.pcall('HGET', q .. 'meta', 'kept_house')) or -math.huge)
if since >= 0 and since < tonumber(ARGV[5]) then return { 0, -1, 0, 0, 0, '', 0, 0 } end
--: include mend mend_if_due wake due pausing workers/expired_leases trip/served offers stirring flow/outgoing
redis.pcall('ZREM', q .. 'leases', '')  -- the first write, see rules/core.lua
mend_if_due(q, now)
local more, left
-- act(q, now, most, …) says whether there may be more, and how many it did; each: commands that one takes, about.
-- What there is no room for comes with the next call.
local function some(each, act, ...)
  local most = math.min(CHUNK, math.floor(left / each))
  local has_more, done = most < 1, 0
  if most > 0 then has_more, done = act(q, now, most, ...) end
  more, left = more or has_more, left - done * each
  return done
end

-- Once more where a key was of another type after all: each step leaves all jobs where they belong.
local function keep_house()
  more, left = false, COMMANDS
  local meta = redis.call('HMGET', q .. 'meta', 'reaped', 'unpark', 'uncounted', 'paused')
  if meta[3] then count_uncounted(q, now, meta[3]) end
  local stirs, trimmed, undelivered, inbox = meta[2] or meta[4] or has_anything(q), 0, 0, false
  if stirs then
    some(4, promote)
    end_pause(q, now)
  end
  local reaped, dead_left, lost = reap(q, now, lease, meta[1], '', 10)
  left = left - 20 * lost
  stirs = stirs or lost > 0
  if stirs then  -- in an idle queue nothing is built for it
    --: include chores
    trimmed, undelivered = see_to_jobs(q, now, some, meta[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
  end
  forget_offers(q, now - lease)
  if stirs then inbox = update_wake(q) else update_wake(q, false, false, false) end
  if reaped + lost > 0 then wake_watcher(q, now) end
  more = more or dead_left
  local mended = redis.call('HGET', q .. 'meta', 'mended')
  if mended then redis.call('HDEL', q .. 'meta', 'mended') end
  if not more then redis.call('HSET', q .. 'meta', 'kept_house', now) end
  return { more and 1 or 0, stirs and ask_again_at(q, now) or -1, inbox and 1 or 0, reaped, trimmed, mended or '',
    undelivered, outgoing[q] and 1 or 0 }
end
local fine, answer = pcall(keep_house)
if fine then return answer end
mend(q)
return keep_house()
