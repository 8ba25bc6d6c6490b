--: include core wake due workers/expired_leases waiting/leave_waiting outcome/give_back
--: include retention
-- What time does to a queue while all workers are busy: promote, reap, end waits that nobody has answered, free
-- parked jobs whose name is offered again, forget what retention no longer covers. Bounded; call again while more is 1.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] lease, ms   ARGV[3] dead jobs kept at most   ARGV[4] dead jobs kept for, ms
-- ARGV[5] pause, ms: nothing is done when somebody did all of it less than this ago; one daemon in a fleet is enough
-- Returns { more, ms until the next scheduled job or -1, 1 if there is anything in the inbox, workers reaped,
--   dead jobs trimmed }
-- First write: ZREM, passes when Redis is full; none within the pause
local CHUNK = 100
local q, now, lease = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2])
local most_dead, dead_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local meta = redis.call('HMGET', q .. 'meta', 'reaped', 'unpark', 'kept_house')
local since = now - (tonumber(meta[3]) or -math.huge)
if since >= 0 and since < tonumber(ARGV[5]) then return { 0, -1, 0, 0, 0 } end
allow_when_full(q)

-- One lap over the parked jobs, started by whoever offers a name nobody offered; `unpark` is how far it got.
local function unpark(from)
  local ids = redis.call('ZRANGE', q .. 'parked', from, from + CHUNK - 1)
  local left = 0
  for _, id in ipairs(ids) do
    local f = redis.call('HMGET', q .. 'job:' .. id, 'name', 'rank')
    local offered_until = f[1] and redis.call('ZSCORE', q .. 'offers', f[1])
    if f[1] and not (offered_until and tonumber(offered_until) > now) then
      left = left + 1
    else
      redis.call('ZREM', q .. 'parked', id)
      if f[1] then give_back(q, id, f[2]) end
      redis.call('HDEL', q .. 'job:' .. id, 'rank')
    end
  end
  if #ids < CHUNK then
    redis.call('HDEL', q .. 'meta', 'unpark')
  else
    redis.call('HSET', q .. 'meta', 'unpark', from + left)
  end
  return #ids == CHUNK
end

local more = promote(q, now, CHUNK)
local reaped, dead_left = reap(q, now, lease, meta[1], '', 10)
if pass_deadlines(q, now, CHUNK) then more = true end
if meta[2] and unpark(tonumber(meta[2])) then more = true end
if forget_kept(q, now) then more = true end
local trimmed, more_dead = trim_dead(q, now, most_dead, dead_ms)
redis.call('ZREMRANGEBYSCORE', q .. 'offers', '-inf', now - lease)
local inbox = update_wake(q)
if reaped > 0 then wake_watcher(q, now) end
more = more or dead_left or more_dead
if not more then redis.call('HSET', q .. 'meta', 'kept_house', now) end
return { more and 1 or 0, ask_again_at(q, now), inbox and 1 or 0, reaped, trimmed }
