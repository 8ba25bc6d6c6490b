-- Which of several jobs would be new in a queue; the others add nothing to it, so that one which is full takes them.
-- Gives: newcomers

-- As `holder_of` says it: a rule stands in a script once, and enqueue.lua has that one where only some calls come.
local function is_held(q, key)
  local holder = redis.pcall('HGET', q .. 'unique', key)
  return type(holder) == 'string' and redis.call('EXISTS', q .. 'job:' .. holder) == 1
end

-- Returns what says whether a job would be new, after those that it was asked before. id: nil for one that nobody has.
local function newcomers(q)
  local ids, keys = {}, {}
  return function(id, key)
    if id and (ids[id] or redis.call('EXISTS', q .. 'job:' .. id) == 1) then return false end
    if key and (keys[key] or is_held(q, key)) then return false end
    if id then ids[id] = true end
    if key then keys[key] = true end
    return true
  end
end
