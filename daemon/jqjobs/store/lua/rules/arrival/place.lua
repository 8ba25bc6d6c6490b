--: include scheduled turns/turn
-- Where a call is written, and where its job stands in the queue: ready, or scheduled when it is due later.
-- Gives: write_call, place

local moments = {}  -- ms → text: of many jobs of a call it is one, and to have Redis write it takes long

-- since: ms, a number or text. fields: flat pairs, stored as they are.
local function write_call(job, new, since)
  local time = moments[since] or string.format('%.0f', since)
  moments[since] = time
  redis.call('HSET', job, 'name', new.name, 'payload', new.payload, 'enqueued', time, unpack(new.fields))
  if (tonumber(new.priority) or 0) ~= 0 then redis.call('HSET', job, 'priority', new.priority) end
end

-- rank: its old one, nil when it gets a new one, by `sequence`. ready: if given, gets rank and id of what is due.
local function place(q, now, new, sequence, rank, ready)
  local id, at = new.id, due_moment(now, new.due)
  if at > now then return schedule(q, id, at) end
  rank = rank or turn_of(q, new.priority, new.fair, sequence)
  if not ready then return redis.call('ZADD', q .. 'ready', rank, id) end
  ready[#ready + 1] = rank
  ready[#ready + 1] = id
end
