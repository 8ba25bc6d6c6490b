-- Whether a limited job may start, and what a start, an end or the time mean to those who wait for the limit.

local LOOKS = 10              -- of those who wait, so many are looked at when a gate opens
local NEXT_LOOKS_MS = 50      -- until the next so many, when other limits held back all of these
local LOOK_AGAIN_MS = 5000    -- until it is noticed that who was sent to ready is gone without a start
local HEAL_MS, HEALED = 30000, 20
local SPARE_MS = 60000        -- the times of starts outlive their window by this

-- Timers that only look whether all is well come together.
local function tick_after(now, ms) return math.ceil((now + ms) / ms) * ms end

-- The first line of a job comes some ms after its take, not always as many. So the next slot comes a little late:
-- then the jobs themselves, and whom they call, see the limit kept too, but for what a busy host adds.
local function slack(window) return math.max(1, math.min(5, math.floor(window / 200))) end

-- A rate is open when the `most`-th last start is longer ago than the window; so no interval of that length
-- ever sees more. Returns a moment, now or earlier when the limit is open; nil when a place must become free.
local function opens_at(q, now, limit)
  local key = q .. 'limit:' .. limit.name
  if limit.kind == 'c' then return redis.call('ZCARD', key) < limit.most and 0 or nil end
  local start = tonumber(redis.call('LINDEX', key, limit.most - 1) or nil)
  if start and start > now + limit.window then  -- the clock went back; what it said before counts for nothing
    redis.call('DEL', key)
    start = nil
  end
  return start and start + limit.window + slack(limit.window) or 0
end

-- Returns the limit that holds a job of this rank back, or nil; and whether that only lets others go first.
local function refusal(q, now, limits, rank)
  for _, limit in ipairs(limits) do
    local at = opens_at(q, now, limit)
    if not at or at > now then return limit, false end
    local best = redis.call('ZRANGE', q .. 'held:' .. limit.name, 0, 0, 'WITHSCORES')
    if best[2] and tonumber(best[2]) < tonumber(rank) then return limit, true end
  end
end

-- Many are held in one call, most of them of one name.
local entries = {}
local function entry_of(q, name)
  local key = q .. name
  entries[key] = entries[key] or published(q, name)
  return entries[key]
end

-- How often limits may yet hold a job back, nil for any number; and whether each time counts as a failure.
local function patience_of(q, id, name)
  local entry, rest = entry_of(q, name), nil
  local costs, most = entry.throttle_counts == true, tonumber(entry.max_throttles)
  if not costs and not most then return nil, false end
  local f = redis.call('HMGET', q .. 'job:' .. id, 'throttles', 'failures', 'forgiven', 'max_attempts')
  if most then rest = most - ((tonumber(f[1]) or 0) - forgiven(f[3], 4)) end
  if costs then
    local tries = option(q, name, f[4], 'max_attempts') - ((tonumber(f[2]) or 0) - forgiven(f[3], 1))
    rest = math.min(rest or tries, tries)
  end
  return rest, costs
end

local function give_up(q, now, id, name)
  local job = q .. 'job:' .. id
  redis.call('HSET', job, 'error', 'held back too often by the limit ' .. name)
  die(q, now, id, 'throttled', redis.call('HGET', job, 'key'))
end

-- Whoever waits first sets the timer. Returns whether the limit believes the job to be on its way.
local function wait_for(q, now, id, rank, limit, rest, costs)
  local starts, going = enter_held(q, id, rank, limit, rest, costs)
  if not starts then set_timer(q, limit.name, opens_at(q, now, limit) or tick_after(now, HEAL_MS)) end
  return going == id
end

-- A job that would start now must wait: that is a throttle. The caller has taken it out of ready. Returns
-- whether the limit believes it to be on its way.
local function throttle(q, now, id, name, rank, limit)
  local job, rest, costs = q .. 'job:' .. id, patience_of(q, id, name)
  redis.call('HINCRBY', job, 'throttles', 1)
  if costs then redis.call('HINCRBY', job, 'failures', 1) end
  if not rest or rest > 1 then return wait_for(q, now, id, rank, limit, rest and rest - 1, costs) end
  give_up(q, now, id, limit.name)
  return true
end

-- A place belongs to a job in a worker's hands: its attempt is written when it leaves them. A place whose job
-- left in a way that nothing here knows is free again. Returns how many.
local function heal(q, now, limit)
  local key, freed = q .. 'limit:' .. limit.name, 0
  for _, member in ipairs(redis.call('ZRANGE', key, 0, HEALED - 1)) do
    local id, attempt = string.match(member, '^(%S+) (%d+)$')
    local before = id and tonumber(redis.call('HGET', q .. 'job:' .. id, 'attempt') or nil)
    if before and before == tonumber(attempt) - 1 then
      redis.call('ZADD', key, now, member)
    else
      freed = freed + redis.call('ZREM', key, member)
    end
  end
  return freed
end

-- Sends the best of those who wait to ready, if all its limits are open. One that another limit holds back
-- waits for that one from now on. Returns true unless the next one is to be looked at.
local function consider(q, now, name, starts, id, rank, healing)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'limits', 'name')
  local limit = refusal(q, now, limits_of(f[1]), rank)
  if limit and limit.name == name then
    if healing and limit.kind == 'c' and heal(q, now, limit) > 0 then return false end
    set_timer(q, name, opens_at(q, now, limit) or tick_after(now, HEAL_MS))
    return true
  end
  local spent = redis.call('ZSCORE', q .. 'patience:' .. name, id)
  local _, left = leave_held(q, id)
  if left ~= name or not f[2] then  -- its record is gone or damaged
    redis.call('ZREM', q .. 'held:' .. name, id)
    redis.call('ZREM', q .. 'patience:' .. name, id)
  elseif spent and tonumber(spent) <= starts then
    give_up(q, now, id, name)
  elseif limit then
    wait_for(q, now, id, rank, limit, patience_of(q, id, f[2]))
  else
    redis.call('ZADD', q .. 'ready', rank, id)
    if not read_gate(q, name) then return true end
    write_gate(q, name, starts, id)
    set_timer(q, name, tick_after(now, LOOK_AGAIN_MS))
    return true
  end
  return false
end

-- Lets those who wait for a limit go, one at a time: the next when that one has started.
local function open_gate(q, now, name, healing)
  local starts, going = read_gate(q, name)
  if not starts then return end
  if going and redis.call('ZSCORE', q .. 'ready', going) then
    return set_timer(q, name, tick_after(now, LOOK_AGAIN_MS))
  end
  for _ = 1, LOOKS do
    local best = redis.call('ZRANGE', q .. 'held:' .. name, 0, 0, 'WITHSCORES')
    if not best[1] then return close_gate_if_unused(q, name) end
    if consider(q, now, name, starts, best[1], best[2], healing) then return end
  end
  if read_gate(q, name) then set_timer(q, name, now + NEXT_LOOKS_MS) end
end

-- A job leaves ready and does not start: if it was the one on its way, the next one is.
local function pass_on(q, now, id, limits)
  for _, limit in ipairs(limits) do
    local starts, going = read_gate(q, limit.name)
    if going == id then
      write_gate(q, limit.name, starts)
      open_gate(q, now, limit.name)
    end
  end
end

local function count_start(q, now, id, name)
  local starts, going = read_gate(q, name)
  if not starts then return end
  starts = starts + 1
  write_gate(q, name, starts, going ~= id and going or nil)
  for _, spent in ipairs(redis.call('ZRANGEBYSCORE', q .. 'patience:' .. name, '-inf', starts, 'LIMIT', 0, LOOKS)) do
    redis.call('ZREM', q .. 'patience:' .. name, spent)
    if leave_held(q, spent) then give_up(q, now, spent, name) end
  end
  open_gate(q, now, name)
end

-- A limited job starts with its take.
local function start(q, now, id, attempt, limits)
  for _, limit in ipairs(limits) do
    local key = q .. 'limit:' .. limit.name
    if limit.kind == 'c' then
      redis.call('ZADD', key, now, id .. ' ' .. attempt)
    else
      if redis.call('LPUSH', key, digits(now)) > limit.most then redis.call('LTRIM', key, 0, limit.most - 1) end
      redis.call('PEXPIRE', key, limit.window + SPARE_MS)
    end
  end
  for _, limit in ipairs(limits) do count_start(q, now, id, limit.name) end
end

-- Returns whether a job of ready may start now; one that may not is out of ready, and waits or is dead. Then
-- also whether somebody else may have come to ready for it.
local function admit(q, now, id, name, rank, limits)
  local fine, limit, others_first = pcall(refusal, q, now, limits, rank)
  if fine and not limit then return true end
  redis.call('ZREM', q .. 'ready', id)
  local passes_on = others_first
  unless_damaged(q, now, id, function()
    if not fine then error(limit, 0) end
    passes_on = throttle(q, now, id, name, rank, limit) or #limits > 1 or others_first
    if passes_on then pass_on(q, now, id, limits) end
    if others_first then open_gate(q, now, limit.name) end
  end)
  return false, passes_on
end

-- Whether a job of ready is before all that wait for a limit.
local function goes_before(q, name, id)
  local rank = redis.call('ZSCORE', q .. 'ready', id)
  local best = redis.call('ZRANGE', q .. 'held:' .. name, 0, 0, 'WITHSCORES')
  return rank and best[2] and tonumber(rank) < tonumber(best[2])
end

-- A limited job is out of a worker's hands, and where it goes from there. Its place is free; if it went back
-- in place, it is the one to have it again.
local function free_places(q, now, id, attempt, text)
  for _, limit in ipairs(limits_of(text)) do
    if limit.kind == 'c' then
      redis.call('ZREM', q .. 'limit:' .. limit.name, id .. ' ' .. attempt)
      if goes_before(q, limit.name, id) then write_gate(q, limit.name, read_gate(q, limit.name) or 0, id) end
      open_gate(q, now, limit.name)
    end
  end
end

-- A job has left an active set unstarted; member: "id attempt". In place and free, unless somebody has cancelled it.
local function leave_unrun(q, now, active, member, rank, taken)
  local id, attempt = string.match(member, '(%S+) (%S+)')
  local limits, cancelled = note_attempt(q, active, id, attempt, taken)
  if cancelled then end_cancelled(q, now, id) else give_back_unrun(q, id, rank) end
  free_places(q, now, id, attempt, limits)
end

local function on_timer(q, now, name)
  local fine = pcall(open_gate, q, now, name, true)
  if not fine then set_timer(q, name, tick_after(now, HEAL_MS)) end  -- damaged keys: others go on
end
