-- Hands ready jobs of one queue to a worker, best rank first.
-- The attempt is part of the member in the active set, and is written to the job only when that goes back
-- or fails: the way of a job that succeeds at once has no write of its own here.

local MOST_TAKE_BYTES = 1048576

-- Most jobs are just a name and a payload. One with options, or one that was taken before, has an `attempt`.
-- Returns name, payload, and a table of the other fields or nil.
local function read_job(job)
  local plain = redis.call('HMGET', job, 'name', 'payload', 'attempt')
  if not plain[3] then return plain[1], plain[2] end
  local f = redis.call('HMGET', job, 'suspect', 'expires', 'failures', 'timeout', 'keep', 'key')
  return plain[1], plain[2], { attempt = plain[3], suspect = f[1], expires = f[2], failures = f[3],
    timeout = f[4], keep = f[5], key = f[6] }
end

local function is_alone(queues, worker)
  for _, q in ipairs(queues) do
    if redis.call('EXISTS', q .. 'active:' .. worker) == 1 then return false end
  end
  return true
end

-- A suspect was taken alone, and stays alone while it runs.
local function holds_suspect(queues, worker)
  for _, q in ipairs(queues) do
    local held = redis.call('ZRANGE', q .. 'active:' .. worker, 0, 1)
    if #held > 1 then return false end
    if #held == 1 then return redis.call('HEXISTS', q .. 'job:' .. string.match(held[1], '%S+'), 'suspect') == 1 end
  end
  return false
end

-- jobs: flat reply, six items a job: queue index, id, attempt, name, payload, extra; extra is nil or
-- { failures, timeout, keep, key }, each nil when absent.
-- alone(): whether the worker holds nothing at all; a suspect is only taken then, and ends the take.
-- Returns how many were taken, how many only moved aside, and whether to stop taking altogether.
local function take(q, index, now, want, active, jobs, alone)
  local head = redis.call('ZRANGE', q .. 'ready', 0, want - 1, 'WITHSCORES')
  local leaving, entering, bytes, aside, stop, n = {}, {}, 0, 0, false, 0
  local found = {}
  for i = 1, #head, 2 do
    local id, job = head[i], q .. 'job:' .. head[i]
    local fine, name, payload, f = pcall(read_job, job)
    if not fine then
      leaving[#leaving + 1], aside = id, aside + 1
      unless_damaged(q, now, id, function() error(name, 0) end)
    elseif not name then
      leaving[#leaving + 1], aside = id, aside + 1
      redis.call('DEL', job)
    elseif f and f.expires and (tonumber(f.expires) or now) <= now then
      leaving[#leaving + 1], aside = id, aside + 1
      redis.call('HSET', job, 'error', 'it was not started before it expired')
      die(q, now, id, 'expired', f.key)
    else
      local is_suspect = f and f.suspect
      stop = bytes > MOST_TAKE_BYTES or (is_suspect and (#entering > 0 or not alone()))
      if stop then break end
      local attempt = f and (tonumber(f.attempt) or 0) + 1 or 1
      leaving[#leaving + 1] = id
      entering[#entering + 1], entering[#entering + 2] = head[i + 1], attempt == 1 and id .. ' 1' or id .. ' ' .. attempt
      bytes = bytes + #(payload or '')
      local extra = f and { f.failures, f.timeout, f.keep, f.key }
      found[n + 1], found[n + 2], found[n + 3], found[n + 4] = index, id, attempt, name
      found[n + 5], found[n + 6], n = payload or '', extra or false, n + 6
      stop = is_suspect and true or false
      if stop then break end
    end
  end
  if #leaving > 0 then redis.call('ZREM', q .. 'ready', unpack(leaving)) end
  if #entering > 0 then redis.call('ZADD', active, unpack(entering)) end
  local before = #jobs
  for i = 1, n do jobs[before + i] = found[i] end  -- only now: what is answered is held
  return #entering / 2, aside, stop
end
