--: include core wake
-- Who watches for what comes next in a queue. One idle worker is told when it comes; were all told, all would wake at
-- each slot of a rate, and all but one for nothing. `watch` in meta: "moment worker".
-- Gives: watch_queues

-- wait: ms until the next moment, -1 for none. Returns what this worker is told of it.
local function keep_watch(q, now, worker, watch, wait, is_idle)
  local moment, watcher = string.match(watch or '', '^(%d+) (%S+)$')
  if watcher == worker then
    if not is_idle or wait < 0 then redis.call('HDEL', q .. 'meta', 'watch') end
  elseif watcher and tonumber(moment) >= now and (wait < 0 or tonumber(moment) <= now + wait)
    and redis.call('ZSCORE', q .. 'leases', watcher) then
    return -1
  end
  if wait < 0 then return -1 end
  if is_idle then
    redis.call('HSET', q .. 'meta', 'watch', digits(now + wait) .. ' ' .. worker)
  else
    redis.call('ZADD', q .. 'wake', 0, '1')  -- an idle one shall watch
  end
  return wait
end

-- t: the trip, see serve.lua. Returns ms until the first moment that this worker is to come back for, -1 for none.
local function watch_queues(t, is_idle)
  local first = -1
  is_idle = is_idle and not string.find(t.words, 'others')
  for i, watch in pairs(t.watches) do
    local q = t.queues[i]
    local wait = keep_watch(q, t.now, t.worker, watch, t.moments[i] or ask_again_at(q, t.now), is_idle)
    if wait >= 0 and (first < 0 or wait < first) then first = wait end
  end
  return first
end
