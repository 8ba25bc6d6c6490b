-- What others have done to the keys of a queue. One of another type than it must have is set aside, as "<key>:damaged",
-- for a week: what was in it was lost when somebody wrote over it, and the queue goes on.
-- Gives: KINDS, mend, set_aside, mend_counts

local KINDS = { meta = 'hash', inbox = 'list', rejected = 'list', wake = 'zset', ready = 'zset', scheduled = 'zset',
  suspects = 'zset', held = 'zset', gates = 'hash', waiting = 'zset', parked = 'zset', misfits = 'zset',
  transfers = 'zset', arrived = 'zset', notices = 'zset', batches = 'zset', dead = 'zset', kept = 'zset',
  succeeded = 'list', cancels = 'zset', errors = 'hash', unique = 'hash', hooks = 'zset', leases = 'zset',
  draining = 'zset', catalog = 'hash', stats = 'hash', recent = 'zset', settings = 'hash', schedule = 'hash',
  ticks = 'hash', paused = 'hash', offers = 'zset', rosters = 'zset', added = 'hash', came = 'hash', comes = 'zset',
  turns = 'zset' }
local COUNTS = { 'seq', 'done', 'failed', 'trimmed', 'rejected_bytes', 'agenda', 'reaped', 'kept_house', 'unpark',
  'counted', 'served', 'uncounted', 'amnesty', 'typed' }
local ASIDE_MS = 604800000

-- Returns what type it had, or nil: it is as it must be. Who may not look or rename (ACL) has it as it is.
local function set_aside(key, kind)
  local found = redis.pcall('TYPE', key)
  found = type(found) == 'table' and found.ok or found
  if type(found) ~= 'string' or found == kind or found == 'none' then return end
  if redis.pcall('RENAME', key, key .. ':damaged').err then return end
  redis.pcall('PEXPIRE', key .. ':damaged', ASIDE_MS)
  return found
end

-- What is no number is none. Returns when types were looked at last, ms.
local function mend_counts(q)
  local values = redis.call('HMGET', q .. 'meta', unpack(COUNTS))
  for i, field in ipairs(COUNTS) do
    local value = values[i]
    if value and not (string.find(value, '^%d+$') and #value <= 16) then redis.call('HDEL', q .. 'meta', field) end
  end
  return tonumber(values[#COUNTS] or nil)
end

-- more: part of a key → type, for keys that are not in every queue. Returns whether any was set aside.
local function mend(q, more)
  local set = {}
  for _, kinds in ipairs({ KINDS, more }) do
    for part, kind in pairs(kinds) do
      local was = set_aside(q .. part, kind)
      if was then set[#set + 1] = q .. part .. ' was a ' .. was end
    end
  end
  mend_counts(q)
  if #set == 0 then return nil end
  local untold = redis.pcall('HGET', q .. 'meta', 'mended')
  if type(untold) == 'string' then table.insert(set, 1, untold) end
  redis.pcall('HSET', q .. 'meta', 'mended', table.concat(set, ', '))  -- housekeep tells it
  return true
end
