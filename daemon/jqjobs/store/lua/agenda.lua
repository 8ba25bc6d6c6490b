--: include core periodic at_run_time
-- A daemon, or a person, asks for the schedules of one queue. Daemons ask every few seconds: while nothing has
-- changed that is one small question. Of the daemons that ask one ticks: the first one, as long as it goes on asking.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] the number it knows, or "" to be told all
-- ARGV[3] the daemon that would tick here, or ""   ARGV[4] for how long, ms; 0: it does not any more
-- Returns { now, number, when the first of those added at run time comes (ms) or -1, for how long another daemon ticks
-- here (ms) or 0: the one that asks does } when that is the number it knows, else also seven items for each schedule in
-- code:
--   name, entry as JSON, how far it got ("since ran id", see rules/periodic.lua) or nil, paused since (ms) or nil,
--   1 if a live worker offers it, else 0, the apps of those that do, with a space between them,
--   1 if one of that name was added at run time, else 0
-- First write: none, or ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local meta = redis.call('HMGET', q .. 'meta', 'agenda', 'ticker')

-- ticker: meta field, "until daemon".
local function claim(ticker, daemon, ms)
  local until_ms, holder = string.match(ticker or '', '^(%d+) (%S+)$')
  local left, is_mine = (tonumber(until_ms) or 0) - now, holder == daemon
  if left > ms then left = 0 end  -- written before the clock was set back
  if ms > 0 and not is_mine and left > 0 then return left end
  if ms == 0 and not is_mine or is_mine and left > ms * 3 / 4 then return 0 end
  allow_when_full(q)
  if ms > 0 then redis.call('HSET', q .. 'meta', 'ticker', digits(now + ms) .. ' ' .. daemon)
  else redis.call('HDEL', q .. 'meta', 'ticker') end
  return 0
end

local number = meta[1] or '0'
local other = ARGV[3] == '' and 0 or claim(meta[2], ARGV[3], tonumber(ARGV[4]))
local reply, n = { now, number, first_to_come(q), other }, 4
if number == ARGV[2] then return reply end
local flat, apps = redis.call('HGETALL', q .. 'schedule'), apps_by_offer(q, now)
for i = 1, #flat, 2 do
  local name = flat[i]
  reply[n + 1], reply[n + 2] = name, flat[i + 1]
  reply[n + 3] = redis.call('HGET', q .. 'ticks', name)
  reply[n + 4] = redis.call('HGET', q .. 'paused', name)
  reply[n + 5] = is_offered(q, now, name) and 1 or 0
  reply[n + 6] = apps[offer_of(q, name)] or ''
  reply[n + 7] = redis.call('HEXISTS', q .. 'added', name)
  n = n + 7
end
return reply
