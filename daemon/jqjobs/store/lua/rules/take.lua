-- Hands ready jobs of any kind to a worker, best rank first: what plain.lua leaves.

local MOST_ASIDE = 50            -- a trip moves so many aside to find what can be taken
local NO_LIMITS = {}

-- Most jobs are just a name and a payload. One with options, or one that was taken before, has an `attempt`.
-- Returns name, payload, and a table of the other fields or nil.
local function read_job(job)
  local plain = redis.call('HMGET', job, 'name', 'payload', 'attempt')
  if not plain[3] then return plain[1], plain[2] end
  local f = redis.call('HMGET', job, 'suspect', 'expires', 'failures', 'timeout', 'keep', 'key', 'coalesce',
    'limits')
  return plain[1], plain[2], { attempt = plain[3], suspect = f[1], expires = f[2], failures = f[3],
    timeout = f[4], keep = f[5], key = f[6], coalesce = f[7], limits = f[8] }
end

local function is_alone(queues, worker)
  for _, q in ipairs(queues) do
    if redis.call('EXISTS', q .. 'active:' .. worker) == 1 then return false end
  end
  return true
end

local function free_slots(t) return tonumber(string.match(t.words, 'free (%d+)') or 0) end

-- What cannot be taken leaves ready: damaged, without a record, expired, or held back by a limit. Returns
-- whether it did, and whether somebody else may have come to ready for it, and before others.
local function set_aside(q, now, id, rank, limits, fine, name, f)
  local is_late = fine and name and f.expires and (tonumber(f.expires) or now) <= now
  if fine and name and not is_late then
    if #limits == 0 then return false, false end
    local may_start, passes_on = admit(q, now, id, name, rank, limits)
    return not may_start, passes_on
  end
  redis.call('ZREM', q .. 'ready', id)
  if not fine then
    unless_damaged(q, now, id, function() error(name, 0) end)
  elseif not name then
    redis.call('DEL', q .. 'job:' .. id)
  else
    redis.call('HSET', q .. 'job:' .. id, 'error', 'it was not started before it expired')
    die(q, now, id, 'expired', f.key)
    pass_on(q, now, id, limits)
  end
  return true, #limits > 0
end

-- t: the trip, see serve.lua. Its `jobs`, flat, six items a job: queue index, id, attempt, name, payload, extra; extra is nil or
-- { failures, timeout, keep, key, limits }, each nil when absent.
-- A suspect is only taken by a worker that holds nothing in any of its queues, and ends the take. So does a
-- limited job: its start is counted here, so it must start at once: either nothing is before it in the worker's
-- hands, or there is a slot for it and for all that this trip takes before it.
-- bytes: of payloads taken so far.
-- Returns how many were taken, how many only moved aside, and whether to stop taking altogether.
local function take_head(t, q, index, want, active, bytes)
  local now, jobs = t.now, t.jobs
  local head = redis.call('ZRANGE', q .. 'ready', 0, want - 1, 'WITHSCORES')
  local leaving, entering, aside, stop, n = {}, {}, 0, false, 0
  local found, begin = {}, nil
  for i = 1, #head, 2 do
    if aside == MOST_ASIDE then break end
    local id, job = head[i], q .. 'job:' .. head[i]
    local fine, name, payload, f = pcall(read_job, job)
    local limits, gone, passes_on = fine and f and f.limits and limits_of(f.limits) or NO_LIMITS, false, false
    if not fine or not name or f then
      gone, passes_on = set_aside(q, now, id, head[i + 1], limits, fine, name, f)
    end
    if gone then
      aside = aside + 1
      if passes_on then break end
    else
      local by_itself = f and (f.suspect or #limits > 0)
      stop = bytes > MOST_TAKE_BYTES
        or (by_itself and (#entering > 0 or not is_alone(t.queues, t.worker))
          and (f.suspect or t.asked - want + #entering / 2 >= free_slots(t)))
      if stop then break end
      local attempt = f and (tonumber(f.attempt) or 0) + 1 or 1
      leaving[#leaving + 1] = id
      entering[#entering + 1], entering[#entering + 2] = head[i + 1], attempt == 1 and id .. ' 1' or id .. ' ' .. attempt
      bytes = bytes + #(payload or '')
      if f and f.coalesce == 'queued' then
        free_key(q, id, f.key)
        f.key = false  -- of no use to the worker, whose report can be the short one
      end
      if #limits > 0 then begin = function() start(q, now, id, attempt, limits) end end
      local extra = f and { f.failures, f.timeout, f.keep, f.key, f.limits }
      found[n + 1], found[n + 2], found[n + 3], found[n + 4] = index, id, attempt, name
      found[n + 5], found[n + 6], n = payload or '', extra or false, n + 6
      stop = by_itself and true or false
      if stop then break end
    end
  end
  if #entering > 0 then redis.call('ZADD', active, unpack(entering)) end
  if #leaving > 0 then redis.call('ZREM', q .. 'ready', unpack(leaving)) end
  if begin then begin() end
  local before = #jobs
  for i = 1, n do jobs[before + i] = found[i] end  -- only now: what is answered is held
  return #entering / 2, aside, stop
end

-- Goes on while what it finds only moves aside.
local function take(t, q, index, active, bytes)
  local got, aside, stop = 0, 0, false
  repeat
    local taken, moved
    taken, moved, stop = take_head(t, q, index, t.want - got, active, bytes)
    got, aside = got + taken, aside + moved
  until stop or moved == 0 or got == t.want or aside >= MOST_ASIDE
  return got, aside, stop
end
