--: include core scheduled pausing status/oldest workers/hands
-- Counts one queue. O(workers + priorities in use), whatever the number of jobs. All queues are counted again and
-- again: what a queue seldom has is asked for together, since mostly none of it is there.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- Returns { now, inbox, ready, scheduled, active, held, waiting, parked, suspects, moving, kept, dead, rejected,
--   workers, paused since (ms or nil), enqueue time of the oldest job of ready or suspects (ms or nil), done, failed,
--   done and failed of this minute, done and failed of the minute before, dead jobs trimmed, how many of those parked
--   are there for their arguments, until when it is paused, who did it and why, its own
--   dead_ms, max_dead, max_kept and max_length (each or nil) }, then the ids of the workers that have jobs in hand
-- First write: none
local RARE = { 'inbox', 'held', 'waiting', 'parked', 'misfits', 'suspects', 'transfers', 'kept', 'rejected',
  'settings' }
local SETTINGS = { 'dead_ms', 'max_dead', 'max_kept', 'max_length' }
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local keys = {}
for i, key in ipairs(RARE) do keys[i] = q .. key end
local has_rare = redis.call('EXISTS', unpack(keys)) > 0

local function size(set) return redis.call('ZCARD', q .. set) end
local function rare(set) return has_rare and size(set) or 0 end
local function rare_list(key) return has_rare and redis.call('LLEN', q .. key) or 0 end

local active, busy = 0, {}
local workers = look_at_hands(q, function(worker, hand)
  local jobs = redis.call('ZCARD', hand)
  if jobs > 0 then active, busy[#busy + 1] = active + jobs, worker end
end)
local meta = redis.call('HMGET', q .. 'meta', 'done', 'failed', 'trimmed', 'uncounted', 'paused', 'pause_note')
local since, until_ms, who, why = pause_of(meta[5], meta[6])
local minute = math.floor(now / 60000)
local this = redis.call('HMGET', q .. 'minute:' .. digits(minute), 'done', 'failed')
local last = redis.call('HMGET', q .. 'minute:' .. digits(minute - 1), 'done', 'failed')
local ready, suspects = size('ready'), rare('suspects')
local oldest = oldest_of(q, 'suspects', suspects, oldest_of(q, 'ready', ready, false))
local settings = has_rare and redis.call('HMGET', q .. 'settings', unpack(SETTINGS)) or { false, false, false, false }
local reply = { now, rare_list('inbox'), ready, jobs_scheduled(q), active, rare('held'), rare('waiting'),
  rare('parked'), suspects, rare('transfers'), rare('kept'), size('dead'), rare_list('rejected'), workers,
  since or false, oldest, (tonumber(meta[1]) or 0) + (tonumber(meta[4]) or 0), meta[2], this[1], this[2], last[1],
  last[2], meta[3] or 0, rare('misfits'), until_ms or false, who or false, why or false, unpack(settings) }
for i = 1, #busy do reply[#reply + 1] = busy[i] end
return reply
