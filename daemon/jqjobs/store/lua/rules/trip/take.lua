--: include limits/gate turns/taken trip/head trip/read_job trip/move_aside trip/hand_out trip/begin_now trip/costly
-- Hands ready jobs of any kind to a worker, best rank first: what take_plain.lua and take_limited.lua leave.
-- Gives: take

local MOST_ASIDE = 50  -- a trip moves so many aside to find what can be taken; one counts for each of its limits
local NO_LIMITS = {}

-- What was found is in the worker's hands, and what starts with that is counted. Returns whether one of its limits
-- holds others back, so that somebody else may have come to ready.
local function take_found(t, q, batch, active, has_groups)
  local entering = batch.entering
  if #entering == 0 then return false end
  local holds_others = move_batch(q, t.now, batch, 'ready', active, t.jobs)
  if has_groups then note_taken(q, entering, 1, #entering - 1, 2) end
  return holds_others
end

-- t: the trip, see serve.lua; its `jobs`, flat, six items a job: queue index, id, attempt, name, payload, extra: nil or
-- what EXTRA lists (hand_out.lua, as batch), with { flow, previous, batch } for flow. has_groups: there are, or were.
-- Returns how many were taken, how many only moved aside, whether to stop taking altogether, and whether to look again.
local function take_head(t, q, index, want, batch, active, has_groups)
  local ids, ranks = head_of(q .. 'ready', want, has_groups)
  local got, aside, stop, again = 0, 0, false, false
  for i = 1, #ids do
    stop = t.room < 0 or costly_left(t) <= 0
    t.more = stop and 1 or t.more
    if stop then break end
    local id, rank, gone, passes_on = ids[i], ranks[i], false, false
    local fine, name, payload, f = pcall(read_job, q .. 'job:' .. id)
    local limits = fine and f and f.limits and limits_of(f.limits) or NO_LIMITS
    if depends_on(batch, limits) then take_found(t, q, batch, active, has_groups) end
    if not fine or not name or f then gone, passes_on = move_aside(q, t.now, id, rank, limits, fine, name, f) end
    if gone then
      aside = aside + math.max(1, #limits)
      if passes_on or aside >= MOST_ASIDE then break end
    else
      stop = #limits > 0 and not can_begin_now(t, t.asked - want + got, limits)
      if stop then break end
      hand_out(t, q, batch, index, id, rank, name, payload, f, limits)
      got, t.costly = got + 1, t.costly - (#limits > 0 and LIMITED_COSTS or 1)
      again = #limits > 0 and has_gates(q) and take_found(t, q, batch, active, has_groups)
      if again then break end
    end
  end
  take_found(t, q, batch, active, has_groups)
  return got, aside, stop, again or aside > 0
end

-- Goes on while what it finds moves aside, or lets others come.
local function take(t, q, index, active, has_groups)
  local got, aside, stop, again, batch = 0, 0, false, false, new_batch()
  repeat
    local taken, moved
    taken, moved, stop, again = take_head(t, q, index, t.want - got, batch, active, has_groups)
    got, aside = got + taken, aside + moved
  until stop or not again or got == t.want or aside >= MOST_ASIDE
  return got, aside, stop
end
