--: include limits/gate limits/let_go
-- The places that a concurrency limit has for what runs.
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

local function free_place(q, now, id, attempt, name)
  redis.call('ZREM', q .. 'limit:' .. name, id .. ' ' .. attempt)
  if goes_before(q, name, id) then write_gate(q, name, read_gate(q, name) or 0, id) end
  open_gate(q, now, name)
end

-- A limited job is out of a worker's hands, and where it goes from there. Its place is free; if it went back
-- in place, it is the one to have it again. What is wrong with the keys of a limit is not the fault of who leaves it.
local function free_places(q, now, id, attempt, text)
  for _, limit in ipairs(limits_of(text)) do
    if limit.kind == 'c' then pcall(free_place, q, now, id, attempt, limit.name) end
  end
end
