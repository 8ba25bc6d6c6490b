--: include limits/gate turns/taken trip/read_plain trip/read_job trip/move_aside trip/hand_out
-- Hands ready jobs of any kind to a worker, best rank first: what take_plain.lua leaves.
-- Gives: take

local MOST_ASIDE = 50            -- a trip moves so many aside to find what can be taken
local NO_LIMITS = {}

local function is_alone(queues, worker)
  for _, q in ipairs(queues) do
    if redis.call('EXISTS', q .. 'active:' .. worker) == 1 then return false end
  end
  return true
end

-- The start of a limited job is counted here, so it must start at once, and ends the take: either nothing is before it
-- in the worker's hands, or there is a slot for it and for all that this trip takes before it. want: at most, of this
-- batch.
local function can_begin_now(t, want, got)
  if got == 0 and not string.find(t.words, 'others') and is_alone(t.queues, t.worker) then return true end
  return t.asked - want + got < tonumber(string.match(t.words, 'free (%d+)') or 0)
end

-- t: the trip, see serve.lua; its `jobs`, flat, six items a job: queue index, id, attempt, name, payload, extra: nil or
-- { failures, timeout, keep, key, limits, suspect, uncleaned, max_attempts, hung, since, snoozes, flow: nil or { flow,
-- previous, batch } }, each nil when absent. bytes: of payloads taken so far. has_groups: there are, or were.
-- Returns how many were taken, how many only moved aside, and whether to stop taking altogether.
local function take_head(t, q, index, want, active, bytes, has_groups)
  local head = redis.call('ZRANGE', q .. 'ready', 0, want - 1, 'WITHSCORES')
  local batch, got, aside, stop = new_batch(bytes), 0, 0, false
  for i = 1, #head, 2 do
    local id, rank, gone, passes_on = head[i], head[i + 1], false, false
    local fine, name, payload, f = pcall(read_job, q .. 'job:' .. id)
    local limits = fine and f and f.limits and limits_of(f.limits) or NO_LIMITS
    if not fine or not name or f then gone, passes_on = move_aside(q, t.now, id, rank, limits, fine, name, f) end
    if gone then
      aside = aside + 1
      if passes_on or aside == MOST_ASIDE then break end
    else
      stop = batch.bytes > MOST_TAKE_BYTES or (#limits > 0 and not can_begin_now(t, want, got))
      if stop then break end
      hand_out(q, batch, index, id, rank, name, payload, f, limits)
      got, stop = got + 1, #limits > 0
      if stop then break end
    end
  end
  move_batch(q, t.now, batch, 'ready', active, t.jobs)
  if has_groups and got > 0 then note_taken(q, batch.entering, 1, 2 * got - 1, 2) end
  return got, aside, stop
end

-- Goes on while what it finds only moves aside.
local function take(t, q, index, active, bytes, has_groups)
  local got, aside, stop = 0, 0, false
  repeat
    local taken, moved
    taken, moved, stop = take_head(t, q, index, t.want - got, active, bytes, has_groups)
    got, aside = got + taken, aside + moved
  until stop or moved == 0 or got == t.want or aside >= MOST_ASIDE
  return got, aside, stop
end
