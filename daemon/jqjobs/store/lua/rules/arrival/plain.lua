-- One new job of which nothing more is said than its name and its payload, in a queue without rules for those that
-- come: most calls are that, so it takes few commands and no closure (enqueue.lua).
-- Gives: add_plain

-- Returns whether it is stored. It is not when there is something to look at first: its id is there, people have set
-- something for the queue, or groups take turns in it.
local function add_plain(q, now, name, id, payload)
  local wake, job, settings, turns = q .. 'wake', q .. 'job:' .. id, q .. 'settings', q .. 'turns'
  local there = redis.call('EXISTS', wake, job, job, settings, settings, turns, turns)
  if there > 1 then return false end
  local sequence = redis.call('HINCRBY', q .. 'meta', 'seq', '1')
  redis.call('ZADD', q .. 'ready', sequence, id)  -- first: where that is damaged, nothing is stored
  redis.call('HSET', job, 'name', name, 'payload', payload, 'enqueued', now)
  if there == 0 then redis.call('ZADD', wake, 0, '1') end
  return true
end
