--: include scheduled
-- Where a call is written, and where its job stands in the queue: ready, or scheduled when it is due later.
-- Gives: write_call, place

-- fields: flat pairs, stored as they are.
local function write_call(job, new, since)
  redis.call('HSET', job, 'name', new.name, 'payload', new.payload, 'enqueued', since, unpack(new.fields))
  if tonumber(new.priority) ~= 0 then redis.call('HSET', job, 'priority', new.priority) end
end

-- ready: if given, gets rank and id of what is due.
local function place(q, now, id, due, rank, ready)
  local at = due_moment(now, due)
  if at > now then return schedule(q, id, at) end
  if not ready then return redis.call('ZADD', q .. 'ready', rank, id) end
  ready[#ready + 1] = rank
  ready[#ready + 1] = id
end
