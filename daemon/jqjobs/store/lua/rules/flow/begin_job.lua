--: include queue_name turns/turn arrival/place arrival/envelope_job arrival/rejected moving/send
-- What follows an end begins: a job that nobody enqueues. Its id derives from what has ended, so it comes once. Where
-- another job has that id, the step is rejected: who waits for it hears that, and people see it.
-- Gives: begin_job, refuse_taken, is_begun

local function refuse_taken(q, now, id, raw) reject(q, now, 'id_taken: there is a ' .. id .. ' already', raw) end

-- A forward is no job (see delivered.lua).
local function is_taken(record)
  if redis.call('EXISTS', record) == 0 then return false end
  return redis.pcall('HEXISTS', record, 'moved') ~= 1 or redis.call('DEL', record) == 0
end

-- Whether what has the id is this very step: its first job was enqueued twice. batch: that field, or nil.
local function is_begun(record, batch)
  local there, member = redis.pcall('HGET', record, 'batch'), string.match(batch or '', '^%S+ %S+ ')
  return member and type(there) == 'string' and string.sub(there, 1, #member) == member
end

-- more: fields beside those of the envelope; batch: that field, or nil. Returns whether there is such a job now; then
-- whether it has begun here.
local function begin_job(q, now, id, raw, more, batch)
  local job, refused = read_envelope(raw, now)
  if not job or not job.name then
    reject(q, now, refused or 'bad_field: this is no step', raw)
    return false
  end
  local record = q .. 'job:' .. id
  if is_taken(record) then
    if is_begun(record, batch) then return true end
    return refuse_taken(q, now, id, raw)
  end
  local is_here = (job.queue or queue_of(q)) == queue_of(q)
  if is_here then fill_in(q, job) end
  job.id, job.payload = id, raw
  local fine, problem = pcall(function()
    write_call(record, job, now)
    redis.call('HSET', record, 'attempt', 0, unpack(more))
    if batch then redis.call('HSET', record, 'batch', batch) end
    if not is_here then return send(q, now, id, job, job.queue) end
    place(q, now, job, 0, fresh_rank(q, job.priority, job.fair))
  end)
  if fine then return true, is_here end
  redis.call('DEL', record)  -- else it would be taken by itself when this is tried again, the queue's keys being mended
  error(problem, 0)
end
