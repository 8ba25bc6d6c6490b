--: include name options ranks turns/last
-- The way of most envelopes: of the job they say its name, its arguments, how urgent it is and which id it has, or not
-- even that; nobody has published a delay for it, and no groups take turns in the queue.
-- Gives: add_plain_envelope

local SAID = { job = 'string', args = 'table', kwargs = 'table', meta = 'table', id = 'string', priority = 'number' }

local priorities = {}  -- name → what workers have published for it; false: it is no name, or there is a delay too

local function priority_of(q, name)
  if priorities[name] == nil then
    local entry = is_name(name) and published(q, name)
    priorities[name] = entry and (tonumber(entry.delay_ms) or 0) <= 0 and (tonumber(entry.priority) or 0)
  end
  return priorities[name]
end

-- time: text. number: text, its number. id: for one that says none. envelope: raw, decoded; it may be refused yet.
-- ready: gets rank and id, which the caller adds to `ready`. Returns whether it is stored. It is not when there is
-- something to look at first, such as that its id is there.
local function add_plain_envelope(q, time, number, id, raw, envelope, ready)
  for key, value in pairs(envelope) do
    if SAID[key] ~= type(value) then return false end
  end
  local name, priority = envelope.job, envelope.job and priority_of(q, envelope.job)
  if not priority or (envelope.id and not is_name(envelope.id)) then return false end
  priority, id = envelope.priority or priority, envelope.id or id
  if priority % 1 ~= 0 or priority < LEAST_PRIORITY or priority > GREATEST_PRIORITY then return false end
  if has_turns[q] == nil then has_turns[q] = redis.call('EXISTS', q .. 'turns') == 1 end
  local job, n = q .. 'job:' .. id, #ready
  if has_turns[q] or redis.call('EXISTS', job) == 1 then return false end
  if priority == 0 then
    redis.call('HSET', job, 'name', name, 'payload', raw, 'enqueued', time)
  else
    redis.call('HSET', job, 'name', name, 'payload', raw, 'enqueued', time, 'priority', priority)
    number = rank_for(priority, number)
  end
  ready[n + 1], ready[n + 2] = number, id
  return true
end
