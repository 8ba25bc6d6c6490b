-- The way into a queue: a new job, or, of one with a coalescing key, what is new about the job that has it.

-- due: "" now, "+ms" from now, "ms" absolute.
local function moment(now, due)
  if due == '' then return now end
  return string.sub(due, 1, 1) == '+' and now + tonumber(due) or tonumber(due) or now
end

-- fields: flat pairs, stored as they are.
local function write_call(job, new, since)
  redis.call('HSET', job, 'name', new.name, 'payload', new.payload, 'enqueued', since, unpack(new.fields))
  if tonumber(new.priority) ~= 0 then redis.call('HSET', job, 'priority', new.priority) end
end

-- ready: if given, gets rank and id of what is due.
local function place(q, now, id, due, rank, ready)
  local at = moment(now, due)
  if at > now then return schedule(q, id, at) end
  if not ready then return redis.call('ZADD', q .. 'ready', rank, id) end
  ready[#ready + 1] = rank
  ready[#ready + 1] = id
end

-- Takes a job that is not in a worker's hands out of its set. Returns the rank that it keeps or nil, or
-- false and no rank when it has started, or is over.
local function withdraw(q, id)
  local rank = redis.call('ZSCORE', q .. 'ready', id)
  if redis.call('ZREM', q .. 'ready', id) == 1 then return true, rank end
  rank = leave_held(q, id)
  if rank then return true, rank end
  if redis.call('ZREM', q .. 'scheduled', id) + redis.call('ZREM', q .. 'parked', id) == 0 then return false end
  return true, redis.call('HGET', q .. 'job:' .. id, 'rank') or nil
end

-- The new call takes the place of the one that waits under its key: same id, same record, its place in the
-- order too unless the priority is another one. Returns 2, or 0 when it is too late for that.
local function replace(q, now, sequence, id, new)
  local job = q .. 'job:' .. id
  local old = redis.call('HMGET', job, 'enqueued', 'priority')
  local waits, rank = withdraw(q, id)
  if not waits then return 0 end
  -- What a producer can say of a job; all of it is gone when another call takes its place.
  redis.call('HDEL', job, 'priority', 'due', 'rank', 'max_attempts', 'max_crashes', 'timeout', 'keep', 'expires',
    'coalesce', 'limits')
  write_call(job, new, old[1] or now)
  local same = rank and tonumber(old[2] or 0) == tonumber(new.priority)
  place(q, now, id, new.due, same and rank or rank_for(new.priority, sequence))
  return 2
end

-- new: { id, name, payload, priority, due, fields, key, replace }; key is nil when there is none. ready: if given,
-- gets what the caller is to add to `ready`; not what has a key, since the next job may replace it.
-- Returns 1 created, 0 not, 2 replaced, and the id that stands for it. The caller wakes a worker.
local function add(q, now, sequence, new, ready)
  local id, key, job = new.id, new.key, q .. 'job:' .. new.id
  if redis.call('EXISTS', job) == 1 then return 0, id end
  local holder = key and holder_of(q, key)
  if holder then return new.replace and replace(q, now, sequence, holder, new) or 0, holder end
  write_call(job, new, now)
  if key then
    redis.call('HSET', job, 'attempt', 0, 'key', key)
    redis.call('HSET', q .. 'unique', key, id)
  elseif #new.fields > 0 then
    redis.call('HSET', job, 'attempt', 0)  -- says: there is more to read (take.lua)
  end
  place(q, now, id, new.due, rank_for(new.priority, sequence), not key and ready or nil)
  return 1, id
end
