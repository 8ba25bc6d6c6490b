--: include core ranks scheduled pausing
-- Counts one queue. O(workers + priorities in use), whatever the number of jobs.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- Returns { now, inbox, ready, scheduled, active, held, waiting, parked, suspects, moving, kept, dead, rejected,
--   workers, paused since (ms or nil), enqueue time of the oldest job of ready or suspects (ms or nil), done, failed,
--   done and failed of this minute, done and failed of the minute before, dead jobs trimmed, how many of those parked
--   are there for their arguments, until when it is paused, who did it and why, its own
--   dead_ms, max_dead, max_kept and max_length (each or nil) }
-- First write: none
local BANDS = 64
local SETTINGS = { 'dead_ms', 'max_dead', 'max_kept', 'max_length' }
local q, now = prefix(KEYS[1]), clock(ARGV[1])

-- Ranks order by priority, then age; so the oldest job is the first one of some priority.
local function oldest_of(set, oldest)
  local above = '-inf'
  for _ = 1, BANDS do
    local first = redis.call('ZRANGEBYSCORE', q .. set, above, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if #first == 0 then break end
    local f = redis.pcall('HMGET', q .. 'job:' .. first[1], 'enqueued', 'due')
    local since = math.max(tonumber(f[1] or nil) or 0, tonumber(f[2] or nil) or 0)
    if since > 0 and (not oldest or since < oldest) then oldest = since end
    above = (math.floor(tonumber(first[2]) / BAND) + 1) * BAND
  end
  return oldest
end

local workers = redis.call('ZRANGE', q .. 'leases', 0, 4999)
local active = 0
for _, worker in ipairs(workers) do active = active + redis.call('ZCARD', q .. 'active:' .. worker) end
local meta = redis.call('HMGET', q .. 'meta', 'done', 'failed', 'trimmed', 'uncounted')
local since, until_ms, who, why = read_pause(q)
local minute = math.floor(now / 60000)
local this = redis.call('HMGET', q .. 'minute:' .. digits(minute), 'done', 'failed')
local last = redis.call('HMGET', q .. 'minute:' .. digits(minute - 1), 'done', 'failed')
local reply = { now, redis.call('LLEN', q .. 'inbox'), redis.call('ZCARD', q .. 'ready'), jobs_scheduled(q), active }
for _, set in ipairs({ 'held', 'waiting', 'parked', 'suspects', 'transfers', 'kept', 'dead' }) do
  reply[#reply + 1] = redis.call('ZCARD', q .. set)
end
local oldest = oldest_of('suspects', oldest_of('ready', false))
for _, item in ipairs({ redis.call('LLEN', q .. 'rejected'), #workers, since or false, oldest,
  (tonumber(meta[1]) or 0) + (tonumber(meta[4]) or 0), meta[2],
  this[1], this[2], last[1], last[2], meta[3] or 0, redis.call('ZCARD', q .. 'misfits'), until_ms or false,
  who or false, why or false, unpack(redis.call('HMGET', q .. 'settings', unpack(SETTINGS))) }) do
  reply[#reply + 1] = item
end
return reply
