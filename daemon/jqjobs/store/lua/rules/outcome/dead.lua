--: include options coalescing_key outcome/over outcome/error_groups outcome/due_hooks flow/ended
-- A job dies: why, when, and who calls its hooks.
-- Gives: told, die, end_cancelled

local told = false  -- whether the caller hears what becomes of the job (trip/settle.lua), and calls its hooks itself

-- A job with hooks that died behind the back of its worker: some worker calls them later (deaths.lua). Of a cancelled
-- one only cleanup. Only names that say so in the catalog.
local function leave_to_hooks(q, now, id, reason)
  local name = redis.call('HGET', q .. 'job:' .. id, 'name')
  local is_quiet = reason == 'cancelled' and redis.call('HEXISTS', q .. 'job:' .. id, 'uncleaned') == 0
  if told or is_quiet or not published(q, name).hooks then return end
  let_hooks_be_called(q, now, id, name)
end

-- group: see count_death.
local function die(q, now, id, reason, key, group)
  local job = q .. 'job:' .. id
  if key and redis.call('HGET', job, 'coalesce') ~= 'stored' then free_key(q, id, key) end
  redis.call('HSET', job, 'reason', reason, 'finished', now)
  count_death(q, now, id, reason, group)
  redis.call('ZADD', q .. 'dead', now, id)
  leave_to_hooks(q, now, id, reason)
  local gone = redis.call('HDEL', job, 'suspect', 'awaited', 'cancel', 'token', 'answer', 'wait_backoff')
  if gone > 0 then announce(q, id) end
  flow_turns(q, now, id, 'dead')
end

-- A cancelled job that did not succeed first is out of its worker's hands: that is final, however it got there.
local function end_cancelled(q, now, id, has_run)
  local job = q .. 'job:' .. id
  if has_run then redis.call('HINCRBY', job, 'executions', 1) end
  die(q, now, id, 'cancelled', redis.call('HGET', job, 'key'))
end
