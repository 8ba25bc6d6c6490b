--: include limits/held arrival/place parking/parked
-- A new call takes the place of the job that has its coalescing key and has not started.
-- Gives: replace

-- Takes a job that no worker has in hand out of its set. Returns whether it was in one, and the rank that it
-- keeps or nil. It was in none when it has started, or is over.
local function leave_unstarted(q, id)
  local rank = redis.call('ZSCORE', q .. 'ready', id) or redis.call('ZSCORE', q .. 'suspects', id)
  if rank then
    redis.call('ZREM', q .. 'ready', id)
    redis.call('ZREM', q .. 'suspects', id)
    return true, rank
  end
  rank = leave_held(q, id)
  if rank then return true, rank end
  if redis.call('ZREM', q .. 'scheduled', id) == 0 and not leave_parked(q, id) then return false end
  return true, redis.call('HGET', q .. 'job:' .. id, 'rank') or nil
end

-- Same id, same record, its place in the order too unless priority or group is another one. Returns 2, or 0 when it is
-- too late for that, or others wait for this very job: its batch, or the next step.
local function replace(q, now, sequence, id, new)
  local job = q .. 'job:' .. id
  local old = redis.call('HMGET', job, 'enqueued', 'priority', 'fair', 'flow')
  if old[4] then return 0 end
  local is_unstarted, rank = leave_unstarted(q, id)
  if not is_unstarted then return 0 end
  -- What a producer can say of a job; all of it is gone when another call takes its place.
  redis.call('HDEL', job, 'priority', 'due', 'rank', 'max_attempts', 'max_crashes', 'timeout', 'keep', 'expires',
    'coalesce', 'tags', 'fair', 'limits', 'suspect', 'lost', 'refused')
  write_call(job, new, old[1] or now)
  local same = tonumber(old[2] or 0) == tonumber(new.priority) and (old[3] or nil) == new.fair
  new.id = id
  place(q, now, new, sequence, same and rank or nil)
  return 2
end
