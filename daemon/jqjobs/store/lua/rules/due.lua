--: include wake record damaged pausing scheduled turns/turn outcome/give_back limits/let_go
-- What time brings: jobs of `scheduled` that are due wait for a worker, and timers of limits and pauses go off.
-- Gives: promote, make_ready

local MOST_TIMERS = 40  -- of one call: each is a good deal more work than a job

-- A job that has left `scheduled`.
local function make_ready(q, id)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'priority', 'rank', 'name', 'fair')
  if not has_name(job, f[3]) then return redis.call('DEL', job) end  -- deleted while it ran: a rest
  give_back(q, id, f[2] or fresh_rank(q, f[1], f[4]))
  if f[2] then redis.call('HDEL', job, 'rank') end
end

-- Returns jobs and timers ("~…"); then whether there may be more.
local function what_is_due(q, now, most)
  local due, timers = {}, 0
  for i, id in ipairs(redis.call('ZRANGEBYSCORE', q .. 'scheduled', '-inf', now, 'LIMIT', 0, most)) do
    if string.sub(id, 1, 1) == '~' then timers = timers + 1 end
    due[i] = id
    if timers == MOST_TIMERS then break end
  end
  return due, #due == most or timers == MOST_TIMERS
end

-- Returns whether there may be more, and how many were due.
local function promote(q, now, most)
  if ask_again_at(q, now) ~= 0 then return false, 0 end
  local due, more = what_is_due(q, now, most)
  redis.call('ZREM', q .. 'scheduled', unpack(due))
  for _, id in ipairs(due) do
    if id == PAUSE_TIMER then
      pcall(end_pause, q, now)  -- where meta is damaged, the pause is gone with it
    elseif string.sub(id, 1, 1) == '~' then
      on_timer(q, now, string.sub(id, 2))
    else
      unless_damaged(q, now, id, function() make_ready(q, id) end)
    end
  end
  return more, #due
end
