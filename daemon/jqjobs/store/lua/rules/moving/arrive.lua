--: include coalescing_key scheduled turns/turn outcome/over outcome/give_back
--: include outcome/error_groups outcome/due_hooks moving/arrived arrival/envelope_job flow/telling
-- A job comes from another queue.
-- Gives: arrive

local function field_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

-- A step that begins here: what it does not say comes from what workers published here.
local function complete_step(q, now, job)
  local step = { name = field_of(job.fields, 'name'), priority = field_of(job.fields, 'priority'),
    due = job.score ~= '0' and job.score or nil }
  fill_in(q, step)
  job.priority, job.score = step.priority, due_moment(now, step.due)
  local record = q .. 'job:' .. job.id
  if tonumber(step.priority) ~= 0 then redis.call('HSET', record, 'priority', step.priority) end
  if job.score > now then redis.call('HSET', record, 'due', digits(job.score)) end
end

local function place_arrived(q, now, job)
  if job.state == 'dead' then
    redis.call('ZADD', q .. 'dead', job.score, job.id)
    local group, name = field_of(job.fields, 'group'), field_of(job.fields, 'name')
    redis.call('HDEL', q .. 'job:' .. job.id, 'group', 'hooks')
    if field_of(job.fields, 'hooks') then let_hooks_be_called(q, now, job.id, name) end
    return count_death(q, now, job.id, field_of(job.fields, 'reason') or 'failed', group)
  end
  if job.state == 'new' then complete_step(q, now, job) end
  if job.state == 'scheduled' or job.state == 'new' and job.score > now then
    return set_alarm(q, job.id, job.score)
  end
  local priority = job.priority or field_of(job.fields, 'priority')
  give_back(q, job.id, fresh_rank(q, priority, field_of(job.fields, 'fair')))
end

local function write_arrived(q, now, job, key)
  local record = q .. 'job:' .. job.id
  redis.call('DEL', record, record .. ':history')
  redis.call('HSET', record, unpack(job.fields))
  if #job.history > 0 then redis.call('RPUSH', record .. ':history', unpack(job.history)) end
  -- One that is parked had given its key back; one that ran has given it away.
  if job.has_key or job.state == 'parked' then claim_key(q, job.id, key) end
  remember_answer(q, now, job.token, 1)
  place_arrived(q, now, job)
  if field_of(job.fields, 'batch') then tell_place(q, now, job.id, job.state == 'dead') end
end

-- job: id, token, state, score, has_key, fields, history. Returns 1, 0 or -1, see deliver.lua. A forward is no job (see
-- delivered.lua). Raises: where keys of the queue are damaged; it has not come then.
local function arrive(q, now, job)
  local record, key = q .. 'job:' .. job.id, field_of(job.fields, 'key')
  local before = answer_given(q, job.token)
  if before then return before end
  if redis.call('EXISTS', record) == 1 and redis.pcall('HEXISTS', record, 'moved') ~= 1 then
    return remember_answer(q, now, job.token, 0)
  end
  if job.has_key and holder_of(q, key) then return remember_answer(q, now, job.token, -1) end
  local fine, problem = pcall(write_arrived, q, now, job, key)
  if fine then return 1 end
  redis.pcall('ZREM', q .. 'arrived', job.token)
  forget(q, job.id, key)
  error(problem, 0)
end
