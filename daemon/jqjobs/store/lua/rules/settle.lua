-- Records outcomes. A settle counts only while "id attempt" is a member of the worker's active set.

local RETRY_UNKNOWN_MS = 500

-- Not now, at no charge: when it is due again it has its old place.
local function set_aside(q, id, rank, due)
  redis.call('HSET', q .. 'job:' .. id, 'rank', rank)
  schedule(q, id, due)
end

-- This worker has just given back a job that it cannot run: somebody else shall watch for the moment it is due.
local has_lacked = false

local function settle_unknown(q, now, id, rank)
  has_lacked = true
  retake_key(q, id)
  local name = redis.call('HGET', q .. 'job:' .. id, 'name')
  local offered_until = redis.call('ZSCORE', q .. 'offers', name)
  if offered_until and tonumber(offered_until) > now then return set_aside(q, id, rank, now + RETRY_UNKNOWN_MS) end
  redis.call('HSET', q .. 'job:' .. id, 'rank', rank)
  redis.call('ZADD', q .. 'parked', now, id)
end

-- number, text and line mean: done: nothing, it has a key or limits · kept: keep ms, why there is no result
-- or "", result · failed, hung: delay ms, error, history line · discarded, interrupted, oversized: -, error, history line ·
-- waiting: ms it waits, ms of its back-off, - · cancelled: -, error, history line · malformed: -, reason, - · throttled: -, its limits, - · deferred: delay ms · released, unknown: nothing.
local outcomes = {
  done = function(q, now, id, rank, key)
    count(q, now, 'done', 1)
    forget(q, id, key)
  end,
  kept = function(q, now, id, rank, key, number, text, line)
    count(q, now, 'done', 1)
    succeed(q, now, id, key, tonumber(number), line, text ~= '' and text)
  end,
  failed = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    fail(q, now, id, 'failed', tonumber(number))
  end,
  hung = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    fail(q, now, id, 'hung', tonumber(number))
  end,
  discarded = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    redis.call('HINCRBY', q .. 'job:' .. id, 'failures', 1)
    redis.call('HINCRBY', q .. 'job:' .. id, 'executions', 1)
    count(q, now, 'failed', 1)
    die(q, now, id, 'discarded', key)
  end,
  interrupted = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    interrupt(q, now, id, rank)
  end,
  waiting = function(q, now, id, rank, key, number, text)
    enter_waiting(q, now, id, tonumber(number), tonumber(text) or 0)
  end,
  -- Also what becomes of every other outcome but a success, of a job that somebody has cancelled.
  cancelled = function(q, now, id, rank, key, number, text, line)
    if line ~= '' then remember(q, id, line, text) end
    end_cancelled(q, now, id, line ~= '')
  end,
  oversized = function(q, now, id, rank, key, number, text, line)
    remember(q, id, line, text)
    count(q, now, 'failed', 1)
    die(q, now, id, 'oversized', key)
  end,
  released = function(q, now, id, rank) give_back_unrun(q, id, rank) end,
  deferred = function(q, now, id, rank, key, number)
    retake_key(q, id)
    set_aside(q, id, rank, now + tonumber(number))
  end,
  unknown = settle_unknown,
  throttled = function(q, now, id, rank, key, number, text)
    redis.call('HSET', q .. 'job:' .. id, 'limits', text)
    give_back_unrun(q, id, rank)
  end,
  malformed = function(q, now, id, rank, key, number, text)
    reject(q, now, 'malformed: ' .. text, redis.call('HGET', q .. 'job:' .. id, 'payload'))
    forget(q, id, key)
  end,
}

local ENDS = { done = true, kept = true, malformed = true }

-- Where a job is that was just settled, and why it is dead, for the worker that calls its hooks.
local function fate_of(q, id)
  for _, state in ipairs({ 'dead', 'scheduled', 'ready', 'kept', 'waiting', 'parked' }) do
    if redis.call('ZSCORE', q .. state, id) then
      return state, state == 'dead' and redis.call('HGET', q .. 'job:' .. id, 'reason') or ''
    end
  end
  return 'gone', ''
end

-- when: ms at which this job was taken, or "": with the worker's last batch, at `taken`.
-- fates: where to add what became of it (id, state, reason), or nil when nobody asked.
local function settle_one(q, now, active, taken, stale, fates, kind, id, attempt, number, text, line, when)
  local rank = redis.call('ZSCORE', active, id .. ' ' .. attempt)
  if not rank then
    stale[#stale + 1] = id
    return
  end
  redis.call('ZREM', active, id .. ' ' .. attempt)
  told = fates and true
  unless_damaged(q, now, id, function()
    local limits, cancelled = note_attempt(q, active, id, attempt, when ~= '' and when or taken)
    local record = outcomes[kind] or outcomes.released  -- a word unknown here comes from a newer worker
    if cancelled and not ENDS[kind] then record = outcomes.cancelled end
    record(q, now, id, rank, redis.call('HGET', q .. 'job:' .. id, 'key'), number, text, line)
    told = false  -- of those who wait for its place, nobody is told
    free_places(q, now, id, attempt, limits)
  end)
  told = false
  if not fates then return end
  local n = #fates
  fates[n + 1], fates[n + 2], fates[n + 3] = id, fate_of(q, id)
end

-- held: "id attempt …", all the worker has. The rest of its active set goes back in place; what it
-- has and Redis has not is added to `lost`.
local function resync(q, now, active, taken, held, lost)
  local named = {}
  for member in string.gmatch(held, '%S+ %S+') do named[member] = true end
  local inside = redis.call('ZRANGE', active, 0, -1, 'WITHSCORES')
  for i = 1, #inside, 2 do
    if named[inside[i]] then
      named[inside[i]] = nil
    else
      redis.call('ZREM', active, inside[i])
      leave_unrun(q, now, active, inside[i], inside[i + 1], taken)
    end
  end
  for member in pairs(named) do lost[#lost + 1] = string.match(member, '%S+') end
end

-- Settles one queue's part of ARGV from `at` on: what the worker still holds, number of outcomes, the outcomes.
-- Returns whether the worker gave back a job it cannot run.
local function settle_others(q, now, active, taken, at, resyncing, stale, lost, fates)
  for i = at + 2, at + 7 * tonumber(ARGV[at + 1]), 7 do
    settle_one(q, now, active, taken, stale, fates, unpack(ARGV, i, i + 6))
  end
  if resyncing then resync(q, now, active, taken, ARGV[at], lost) end
  return has_lacked
end
