--: include core scheduled flow/outgoing
-- A new job that is for another queue, or another partition: its record is written here, and goes there as what is
-- moved does (transfer.lua). What it does not say is filled in there: its score is 0 where it does not say when it is
-- due.
-- Gives: send

-- Those that leave in one moment keep their order: each leaves a 1,024th of a ms after the one before.
local function moment_of_leaving(q, now)
  local last = tonumber(redis.call('ZRANGE', q .. 'transfers', -1, -1, 'WITHSCORES')[2] or nil)
  return string.format('%.10f', last and last >= now and last < now + 1 and last + 1 / 1024 or now)
end

local function send(q, now, id, job, target)
  local token = digits(now) .. '-' .. digits(redis.call('HINCRBY', q .. 'meta', 'seq', 1))
  local due = job.due and due_moment(now, job.due) or 0
  redis.call('HSET', q .. 'job:' .. id, 'moving', table.concat({ token, target, 'new', digits(due) }, ' '))
  if due > now then redis.call('HSET', q .. 'job:' .. id, 'due', due) end
  if job.priority then redis.call('HSET', q .. 'job:' .. id, 'priority', job.priority) end
  redis.call('ZADD', q .. 'transfers', moment_of_leaving(q, now), id)
  outgoing[q] = true
end
