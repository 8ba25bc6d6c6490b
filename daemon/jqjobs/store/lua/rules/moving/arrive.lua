--: include coalescing_key outcome/over moving/arrived moving/place_arrived flow/telling
-- A job comes from another queue.
-- Gives: arrive

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
