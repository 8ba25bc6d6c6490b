--: include name recent tell_end
-- What became of attempts, by job name: since the queue exists in `stats`, of each ten minutes in `stats:<n>`.
-- A field is "name what": see docs/protocol.md, "Statistics". Where a key is damaged, the rest is counted.
-- Gives: counted_name, add_to_statistics, count_unreported

local MOST_NAMES, OTHER = 100, 'other'
local SPAN_MS, KEPT_S = 600000, 86400

-- A queue whose job names are made up as it goes must not grow without end: those that come late share one name.
local function counted_name(q, now, name)
  if redis.pcall('HEXISTS', q .. 'stats', name .. ' since') == 1 then return name end
  if (tonumber(redis.pcall('HGET', q .. 'meta', 'counted')) or 0) >= MOST_NAMES then name = OTHER end
  if redis.pcall('HSETNX', q .. 'stats', name .. ' since', now) == 1 and name ~= OTHER then
    redis.pcall('HINCRBY', q .. 'meta', 'counted', 1)
  end
  return name
end

local function add_to_statistics(q, now, name, what, n)
  local field, span = name .. ' ' .. what, q .. 'stats:' .. math.floor(now / SPAN_MS)
  redis.pcall('HINCRBY', q .. 'stats', field, n)
  if redis.pcall('HINCRBY', span, field, n) == tonumber(n) then redis.call('EXPIRE', span, KEPT_S) end
end

-- What no worker counts: an attempt that ended with its worker, a job that was never started.
local function count_unreported(q, now, id, what)
  local name = redis.call('HGET', q .. 'job:' .. id, 'name')
  if not (name and is_name(name)) then return end
  add_to_statistics(q, now, counted_name(q, now, name), what, 1)
  tell_end(q, now, id, name, what)
  note_end(q, now, id, name, what)
end
