-- What brings an idle worker back: the wake token, and the next moment in `scheduled`.
-- Gives: update_wake, ask_again_at, wake_watcher

-- One token wakes one idle worker; it stands while there is something to take or to ingest.
-- paused: that meta field; inbox, ready: whether there is anything in them; each nil where the caller does not know it.
-- Returns whether there is anything in the inbox.
local function update_wake(q, paused, inbox, ready)
  if paused == nil then paused = redis.call('HGET', q .. 'meta', 'paused') end
  if inbox == nil then inbox = redis.call('EXISTS', q .. 'inbox') == 1 end
  if ready == nil and not inbox and not paused then ready = redis.call('EXISTS', q .. 'ready') == 1 end
  if inbox or (ready and not paused) then
    redis.call('ZADD', q .. 'wake', '0', '1')
  else
    redis.call('ZREM', q .. 'wake', '1')
  end
  return inbox
end

-- Returns ms until the first moment in scheduled, -1 for none.
local function ask_again_at(q, now)
  local first = redis.call('ZRANGE', q .. 'scheduled', '0', '0', 'WITHSCORES')
  return first[2] and math.max(0, math.ceil(tonumber(first[2]) - now)) or -1
end

-- What waits now may be due before anybody looks: an idle worker shall watch for it (trip/watch.lua).
local function wake_watcher(q, now)
  if ask_again_at(q, now) >= 0 then redis.call('ZADD', q .. 'wake', '0', '1') end
end
