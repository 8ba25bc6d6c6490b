-- What an idle worker asks whenever a poll is due, before all that a trip needs is built: that takes ten times as long.
-- Gives: has_nothing

-- Returns whether there is nothing in the queues of these meta keys for which a worker makes a trip; see
-- `worker/trips/news`.
local function has_nothing(keys)
  for _, key in ipairs(keys) do
    local q = string.sub(key, 1, -5)
    if redis.call('EXISTS', q .. 'ready', q .. 'inbox', q .. 'suspects') > 0 then return false end
  end
  return true
end
