--: include core flow/begin_job flow/members
-- What becomes of a job is told to its batch: in its home at once, else by a notice that somebody takes there.
-- The field `batch`: "home/batch member number", the batch with a "+" before it when another member has added this one.
-- Gives: enter_batch, tell_batch

local function tell(q, now, field, what)
  local inner, home, id, member, number = string.match(field, '^(%+?)([^/ ]+)/(%S+) (%S+) (%d+)$')
  if home == queue_of(q) then
    change_batch(q, now, id, member, tonumber(number), what, inner == '+', true)
  else
    redis.call('ZADD', q .. 'notices', now, field .. ' ' .. what)
  end
end

-- batch: "home/batch", or that with a "+" before it.
local function enter_batch(q, now, id, batch)
  local field = batch .. ' ' .. queue_of(q) .. '/' .. id .. ' 1'
  redis.call('HSET', q .. 'job:' .. id, 'batch', field)
  tell(q, now, field, 'add')
end

-- what: see members.lua.
local function tell_batch(q, now, id, what)
  local job = q .. 'job:' .. id
  local head, number = string.match(redis.call('HGET', job, 'batch') or '', '^(%S+ %S+ )(%d+)$')
  if not head then return end
  local field = head .. digits(number + 1)
  redis.call('HSET', job, 'batch', field)
  tell(q, now, field, what)
end
