--: include core
-- What was refused, for people to read (docs/protocol.md, "Rejected").
-- Gives: reject

local REJECTED_COUNT, REJECTED_BYTES = 1000, 67108864

-- An entry is "time reason", a newline, then the bytes; so the reason stays on its line.
local function reject(q, now, reason, bytes)
  local list = q .. 'rejected'
  redis.call('LPUSH', list, digits(now) .. ' ' .. string.gsub(reason, '%c', ' ') .. '\n' .. bytes)
  if redis.call('LLEN', list) == 1 then redis.call('HDEL', q .. 'meta', 'rejected_bytes') end  -- people may delete it
  local size = redis.call('HINCRBY', q .. 'meta', 'rejected_bytes', #bytes)
  while redis.call('LLEN', list) > REJECTED_COUNT or (size > REJECTED_BYTES and redis.call('LLEN', list) > 1) do
    local oldest = redis.call('RPOP', list)
    local freed = #oldest - (string.find(oldest, '\n', 1, true) or 0)
    size = redis.call('HINCRBY', q .. 'meta', 'rejected_bytes', -freed)
  end
end
