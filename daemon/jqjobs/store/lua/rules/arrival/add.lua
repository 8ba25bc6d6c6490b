--: include coalescing_key damaged outcome/over arrival/place arrival/replace flow/telling
-- The way into a queue: a new job, or, of one with a coalescing key, what is new about the job that has it.
-- Gives: add

-- What is in a batch, or has a successor, replaces no other: each is a job of its own to who waits for it.
local function has_flow(fields)
  for n = 1, #fields, 2 do
    if fields[n] == 'flow' then return true end
  end
end

local function store(q, now, sequence, new, ready)
  local id, key, job = new.id, new.key, q .. 'job:' .. new.id
  write_call(job, new, now)
  if key then
    redis.call('HSET', job, 'attempt', 0, 'key', key)
    redis.call('HSET', q .. 'unique', key, id)
  elseif #new.fields > (new.fair and 2 or 0) then
    redis.call('HSET', job, 'attempt', 0)  -- says: there is more to read (trip/read_job.lua)
  end
  place(q, now, new, sequence, nil, not key and ready or nil)
end

-- new: { id, name, payload, priority, due, fields, key, replace, fair, batch }; key, fair (it is one of the fields too)
-- and batch are nil when there are none. ready: if given, gets what the caller is to add to `ready`; not what has a
-- key, since the next job may replace it.
-- Returns 1 created, 0 not, 2 replaced, and the id that stands for it. The caller wakes a worker. Raises: where keys of
-- the queue are damaged; nothing is stored then, so that who sends it again is not told that it is there.
local function add(q, now, sequence, new, ready)
  local id, key = new.id, new.key
  if redis.call('EXISTS', q .. 'job:' .. id) == 1 then return 0, id end
  local holder = key and holder_of(q, key)
  if holder and (not new.replace or has_flow(new.fields)) then return 0, holder end
  if holder then
    local fine, done = pcall(replace, q, now, sequence, holder, new)
    if fine then return done, holder end
    unless_damaged(q, now, holder, function() error(done, 0) end)
  end
  local fine, problem = pcall(store, q, now, sequence, new, ready)
  if not fine then
    forget(q, id, key)
    error(problem, 0)
  end
  if new.batch then enter_batch(q, now, id, new.batch) end
  return 1, id
end
