-- Who listens to a queue (listen.lua) also hears of the ends that no worker can tell of.
-- Gives: tell_end

local function tell_end(q, now, id, name, outcome)
  local until_ms = redis.pcall('HGET', q .. 'meta', 'tail')
  if (tonumber(until_ms or nil) or 0) <= now then return end
  local attempt = tonumber(redis.call('HGET', q .. 'job:' .. id, 'attempt') or nil)
  local event = { event = 'ended', id = id, name = name, attempt = attempt, outcome = outcome, at_ms = now }
  redis.pcall('PUBLISH', q .. 'tail', cjson.encode({ v = 1, events = { event } }))
end
