--: include core queue_name flow/members flow/outgoing
-- What becomes of a job is told to its batch: in its home at once, else by a notice that somebody takes there.
-- The field `batch`: "home/batch member number", the batch with a "+" before it when another member has added this one.
-- What is told: a word of members.lua, with "@queue/id" behind it where the member is not where its name says any more.
-- Gives: name_batch, enter_batch, tell_batch, tell_place

local function is_wrong_type(problem)
  return string.find(type(problem) == 'table' and problem.err or tostring(problem), 'WRONGTYPE', 1, true)
end

-- Keys of the wrong type are mended by who handles the job (damaged.lua); for fields of its batch it is not to blame.
local function tell(q, now, field, what)
  local inner, home, id, member, number = string.match(field, '^(%+?)([^/ ]+)/(%S+) (%S+) (%d+)$')
  if home == queue_of(q) then
    local word, at = string.match(what, '^(%a+)@?(.*)$')
    local more = { place = at, is_inner = inner == '+', in_order = true }
    local fine, problem = pcall(change_batch, q, now, id, member, tonumber(number), word, more)
    if not fine and is_wrong_type(problem) then error(problem, 0) end
  else
    redis.call('ZADD', q .. 'notices', now, field .. ' ' .. what)
    outgoing[q] = true
  end
end

-- batch: "home/batch", or that with a "+" before it. Returns the field.
local function name_batch(q, id, batch)
  local field = batch .. ' ' .. queue_of(q) .. '/' .. id .. ' 1'
  redis.call('HSET', q .. 'job:' .. id, 'batch', field)
  return field
end

local function enter_batch(q, now, id, batch) tell(q, now, name_batch(q, id, batch), 'add') end

local function tell_batch(q, now, id, what)
  local job = q .. 'job:' .. id
  local head, number = string.match(redis.call('HGET', job, 'batch') or '', '^(%S+ %S+ )(%d+)$')
  if not head then return end
  local field = head .. digits(number + 1)
  redis.call('HSET', job, 'batch', field)
  tell(q, now, field, what)
end

-- A member is here now: it was moved, or this is a step of it. It is dead, or it goes on.
local function tell_place(q, now, id, is_dead)
  tell_batch(q, now, id, (is_dead and 'dead' or 'again') .. '@' .. queue_of(q) .. '/' .. id)
end
