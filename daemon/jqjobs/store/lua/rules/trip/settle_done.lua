--: include totals limits/gate outcome/succeeded
-- Jobs with limits, or taken before, that succeeded with nothing more to say: they are gone, and where no limit holds
-- any job back nobody is to be let go for them.
-- Gives: settle_done, forget_done

local done = {}  -- ids, of one queue

-- Returns whether that was all, and, if so, whether the worker had it in hand.
local function settle_done(q, active, id, attempt)
  if has_gates(q) then return false end
  local f = redis.pcall('HMGET', q .. 'job:' .. id, 'name', 'limits', 'cancel', 'key', 'flow')
  if not f[1] or f[3] or f[4] or f[5] then return false end
  if redis.call('ZREM', active, id .. ' ' .. attempt) == 0 then return true, false end
  for _, limit in ipairs(limits_of(f[2])) do
    if limit.kind == 'c' then redis.pcall('ZREM', q .. 'limit:' .. limit.name, id .. ' ' .. attempt) end
  end
  done[#done + 1] = id
  return true, true
end

-- After the last one of a queue, or before one that is settled otherwise.
local function forget_done(q, now)
  if #done == 0 then return end
  local ids, records = done, {}
  done = {}
  for _, id in ipairs(ids) do
    records[#records + 1], records[#records + 2] = q .. 'job:' .. id, q .. 'job:' .. id .. ':history'
  end
  redis.call('DEL', unpack(records))
  count(q, now, 'done', #ids)
  note_successes(q, ids)
end
