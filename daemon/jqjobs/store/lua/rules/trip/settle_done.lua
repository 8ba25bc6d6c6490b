--: include totals limits/gate outcome/succeeded
-- Jobs taken before that succeeded with nothing more to say than their limits: they are gone, and where no limit holds
-- any job back nobody is to be let go for them. All of a report that come in a row leave together.
-- Gives: settle_done, forget_done

local members, limits_said = {}, {}  -- "id attempt" and limits of those that are to be forgotten, of one queue
local are_cancelled = {}             -- q → whether any job in hand is, as asked once a call

-- text: its limits. Returns whether that is all, and the rest is left to forget_done.
local function settle_done(q, id, attempt, text)
  if are_cancelled[q] == nil then are_cancelled[q] = redis.call('EXISTS', q .. 'cancels') == 1 end
  if are_cancelled[q] or has_gates(q) then return false end
  local n = #members + 1
  members[n], limits_said[n] = id .. ' ' .. attempt, text
  return true
end

local function free_all(q, member, text)
  for kind, name in string.gmatch(text, '(%a) %d+ %d+ (%S+)') do
    if kind == 'c' then redis.pcall('ZREM', q .. 'limit:' .. name, member) end
  end
end

-- Returns for each whether it was there; none comes twice. Most are the head of the set: then two texts are compared,
-- as in trip/leave_active.lua.
local function leave_active_set(active, ended)
  if #ended == 1 then return { redis.call('ZREM', active, ended[1]) == 1 } end
  local head = redis.call('ZRANGE', active, '0', #ended - 1)
  if table.concat(head, ' ') == table.concat(ended, ' ') then
    redis.call('ZREMRANGEBYRANK', active, '0', #ended - 1)
    return head
  end
  local ranks = redis.call('ZMSCORE', active, unpack(ended))
  redis.call('ZREM', active, unpack(ended))
  return ranks
end

-- After the last one of a queue, or before one that is settled otherwise. stale gets those that the worker had no more.
local function forget_done(q, now, active, stale)
  if #members == 0 then return end
  local ended, limits, ids, records = members, limits_said, {}, {}
  members, limits_said = {}, {}
  for i, was_there in ipairs(leave_active_set(active, ended)) do
    local id = string.match(ended[i], '%S+')
    if was_there then
      ids[#ids + 1] = id
      records[#records + 1], records[#records + 2] = q .. 'job:' .. id, q .. 'job:' .. id .. ':history'
      free_all(q, ended[i], limits[i])
    else
      stale[#stale + 1] = id
    end
  end
  if #ids == 0 then return end
  redis.call('DEL', unpack(records))
  count(q, now, 'done', #ids)
  note_successes(q, ids)
end
