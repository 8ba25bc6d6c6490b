--: include limits/gate
-- What a limit counts: the places of what runs, or the moments of the last starts.
-- Gives: occupy

local SPARE_MS = 60000  -- the times of starts outlive their window by this

-- member: "id attempt" of the job that starts.
local function occupy(q, now, limit, member)
  local key = q .. 'limit:' .. limit.name
  if limit.kind == 'c' then
    redis.call('ZADD', key, number_text(now), member)
  else
    if redis.call('LPUSH', key, number_text(now)) > limit.most then redis.call('LTRIM', key, 0, limit.most - 1) end
    redis.call('PEXPIRE', key, number_text(limit.window + SPARE_MS))
  end
end
