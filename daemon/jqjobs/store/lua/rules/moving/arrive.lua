--: include coalescing_key outcome/over moving/arrived moving/place_arrived flow/telling partitions
--: include moving/transfer flow/begin_job queue_name
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
  redis.call('ZREM', q .. 'transfers', job.id)
  place_arrived(q, now, job)
  if field_of(job.fields, 'batch') then pcall(tell_place, q, now, job.id, job.state == 'dead') end
end

-- It was on its way from here: of the partitions of its queue this one is where it belongs.
local function is_own(q, job)
  local token = read_transfer(q, job.id)
  return token ~= nil and job.token == queue_of(q) .. ' ' .. token
end

-- job: id, token, state, score, has_key, fields, history. Returns 1, 0, -1 or 3, see deliver.lua. A forward is no job
-- (see delivered.lua). Raises: where keys of the queue are damaged; it has not come then.
local function arrive(q, now, job)
  local record, key = q .. 'job:' .. job.id, field_of(job.fields, 'key')
  local before = answer_given(q, job.token)
  if before then return before end
  local is_from_here = is_own(q, job)
  local is_free = is_from_here or redis.call('EXISTS', record) == 0 or redis.pcall('HEXISTS', record, 'moved') == 1
  if not is_free then
    local is_there = job.state == 'new' and is_begun(record, field_of(job.fields, 'batch'))
    return remember_answer(q, now, job.token, is_there and 1 or 0)
  end
  local holder = job.has_key and holder_of(q, key)
  if holder and holder ~= job.id then return remember_answer(q, now, job.token, -1) end
  if partitions_of(q) then return 3 end
  local fine, problem = pcall(write_arrived, q, now, job, key)
  if fine then return 1 end
  redis.pcall('ZREM', q .. 'arrived', job.token)
  if not is_from_here then forget(q, job.id, key) end
  error(problem, 0)
end
