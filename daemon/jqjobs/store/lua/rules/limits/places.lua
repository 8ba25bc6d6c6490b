--: include limits/gate limits/let_go
-- What a limit has counted for a job that is out of a worker's hands: the place of a concurrency, for what runs; the
-- start of a rate, when the job did not run.
-- Gives: free_places

-- Whether a job of ready is before all that the limit holds. It may have come back with other limits.
local function goes_before(q, name, id)
  local rank = redis.call('ZSCORE', q .. 'ready', id)
  local best = redis.call('ZRANGE', q .. 'held:' .. name, 0, 0, 'WITHSCORES')
  if not rank or not best[2] or tonumber(rank) >= tonumber(best[2]) then return false end
  for _, limit in ipairs(limits_of(redis.call('HGET', q .. 'job:' .. id, 'limits'))) do
    if limit.name == name then return true end
  end
end

-- Returns whether it counts no longer.
local function uncount(q, id, attempt, limit, unrun_since)
  local key = q .. 'limit:' .. limit.name
  if limit.kind == 'c' then return redis.call('ZREM', key, id .. ' ' .. attempt) >= 0 end
  return unrun_since and redis.call('LREM', key, 1, unrun_since) == 1
end

local function free_place(q, now, id, attempt, limit, unrun_since)
  local name = limit.name
  if not uncount(q, id, attempt, limit, unrun_since) then return end
  if goes_before(q, name, id) then write_gate(q, name, read_gate(q, name) or 0, id) end
  open_gate(q, now, name)
end

-- A limited job is out of a worker's hands, and where it goes from there. Its place is free; if it went back
-- in place, it is the one to have it again. What is wrong with the keys of a limit is not the fault of who leaves it.
-- unrun_since: ms as text at which one was taken that did not run, nil when it did, or when nobody knows.
local function free_places(q, now, id, attempt, text, unrun_since)
  for _, limit in ipairs(limits_of(text)) do pcall(free_place, q, now, id, attempt, limit, unrun_since) end
end
