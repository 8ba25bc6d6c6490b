-- How many attempts of a queue have ended: in all, and in each minute. No job suffers where that cannot be counted.
-- Gives: count

-- what: "done" or "failed".
local function count(q, now, what, n)
  if n == 0 then return end
  redis.pcall('HINCRBY', q .. 'meta', what, n)
  local minute = q .. 'minute:' .. math.floor(now / 60000)
  if redis.pcall('HINCRBY', minute, what, n) == n then redis.call('EXPIRE', minute, 7200) end
end
