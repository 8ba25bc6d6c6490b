--: include core scheduled turns/turn outcome/give_back outcome/error_groups outcome/due_hooks arrival/envelope_job
-- Where a job stands that has come from another queue.
-- Gives: place_arrived, field_of

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
