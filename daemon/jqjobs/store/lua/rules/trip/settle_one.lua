--: include damaged outcome/leave_hand outcome/dead limits/places trip/outcomes trip/outcomes_unrun
-- Records one outcome, of whatever kind.
-- Gives: settle_one

local FINAL = { done = true, kept = true, malformed = true }  -- also of a cancelled job

-- Where a job is that was just settled, and why it is dead, for the worker that calls its hooks.
local function where_settled(q, id)
  for _, state in ipairs({ 'dead', 'scheduled', 'ready', 'kept', 'waiting', 'parked', 'suspects' }) do
    if redis.call('ZSCORE', q .. state, id) then
      return state, state == 'dead' and redis.call('HGET', q .. 'job:' .. id, 'reason') or ''
    end
  end
  return 'gone', ''
end

-- when: ms at which this job was taken, or "": with the worker's last batch, at `taken`.
-- settled: where to add what became of it (id, state, reason), or nil when nobody asked. Returns whether the worker has
-- given back a job that it cannot run.
local function settle_one(q, now, active, taken, stale, settled, kind, id, attempt, number, text, line, when)
  local rank = redis.call('ZSCORE', active, id .. ' ' .. attempt)
  if not rank then
    stale[#stale + 1] = id
    return
  end
  redis.call('ZREM', active, id .. ' ' .. attempt)
  told = settled and true
  unless_damaged(q, now, id, function()
    local limits, cancelled, uncleaned = note_attempt(q, active, id, attempt, when ~= '' and when or taken)
    if uncleaned and not UNRUN[kind] then redis.call('HDEL', q .. 'job:' .. id, 'uncleaned') end
    local record = outcomes[kind] or outcomes.released  -- a word unknown here comes from a newer worker
    if cancelled and not FINAL[kind] then record = outcomes.cancelled end
    local worker = string.sub(active, #q + #'active:' + 1)
    record(q, now, id, rank, redis.call('HGET', q .. 'job:' .. id, 'key'), number, text, line, worker)
    told = false  -- of those that get its place, nobody is told
    free_places(q, now, id, attempt, limits, kind == 'released' and when ~= '' and when)
  end)
  told = false
  if settled then
    local n = #settled
    settled[n + 1], settled[n + 2], settled[n + 3] = id, where_settled(q, id)
  end
  return has_lacked
end
