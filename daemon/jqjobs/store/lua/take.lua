-- Hands ready jobs of one queue to a worker, best rank first.

local MOST_TAKE_BYTES = 1048576
local FIELDS = { 'name', 'payload', 'attempt', 'suspect', 'expires', 'failures', 'timeout', 'keep' }

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
    if #held > 0 then return #held == 1 and redis.call('HEXISTS', q .. 'job:' .. held[1], 'suspect') == 1 end
  end
  return false
end

-- jobs: flat reply, eight items a job: queue index, id, attempt, name, payload, failures, timeout, keep.
-- alone(): whether the worker holds nothing at all; a suspect is only taken then, and ends the take.
-- Returns how many were taken, how many only moved aside, and whether to stop taking altogether.
local function take(q, index, now, want, active, jobs, alone)
  local head = redis.call('ZRANGE', q .. 'ready', 0, want - 1, 'WITHSCORES')
  local leaving, entering, bytes, aside, stop = {}, {}, 0, 0, false
  for i = 1, #head, 2 do
    local id, job = head[i], q .. 'job:' .. head[i]
    local f = redis.call('HMGET', job, unpack(FIELDS))
    if not f[1] then
      leaving[#leaving + 1], aside = id, aside + 1
    elseif f[5] and tonumber(f[5]) <= now then
      leaving[#leaving + 1], aside = id, aside + 1
      redis.call('HSET', job, 'error', 'it was not started before it expired')
      die(q, now, id, 'expired', redis.call('HGET', job, 'key'))
    else
      stop = bytes > MOST_TAKE_BYTES or (f[4] and (#entering > 0 or not alone()))
      if stop then break end
      local attempt = (tonumber(f[3]) or 0) + 1
      redis.call('HSET', job, 'attempt', attempt, 'taken', now)
      leaving[#leaving + 1] = id
      entering[#entering + 1], entering[#entering + 2] = head[i + 1], id
      bytes = bytes + #f[2]
      local n = #jobs
      jobs[n + 1], jobs[n + 2], jobs[n + 3], jobs[n + 4] = index, id, attempt, f[1]
      jobs[n + 5], jobs[n + 6], jobs[n + 7], jobs[n + 8] = f[2], f[6], f[7], f[8]
      stop = f[4] ~= false
      if stop then break end
    end
  end
  if #leaving > 0 then redis.call('ZREM', q .. 'ready', unpack(leaving)) end
  if #entering > 0 then redis.call('ZADD', active, unpack(entering)) end
  return #entering / 2, aside, stop
end
