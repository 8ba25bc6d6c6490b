--: include core
-- A job on its way to another queue lies in `transfers`, by the moment at which it left. Its record stays as it is
-- until that queue has it, with the field `moving`: "token target state score", where it goes, and where it was.
-- Gives: read_transfer, gone_since

-- Returns token, target, state and score; all nil when it is not on its way.
local function read_transfer(q, id)
  if not redis.call('ZSCORE', q .. 'transfers', id) then return end
  local field = redis.pcall('HGET', q .. 'job:' .. id, 'moving')
  return string.match(type(field) == 'string' and field or '', '^(%S+) (%S+) (%a+) (%S+)$')
end

-- Which left so long ago, ms, the oldest first; or else left in the future: before the clock went back, that is.
-- first: if given, so many are left out. Moments have fractions (send.lua).
local function gone_since(q, now, age, most, first)
  local key, latest = q .. 'transfers', '(' .. digits(now - age + 1)
  local found = redis.call('ZRANGEBYSCORE', key, '-inf', latest, 'LIMIT', first or 0, most)
  if #found > 0 then return found end
  return redis.call('ZRANGEBYSCORE', key, digits(now + 1), '+inf', 'LIMIT', first or 0, most)
end
