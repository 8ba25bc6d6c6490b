--: include core wake coalescing_key arrival/add periodic
-- Ticks of a schedule have come: enqueues their jobs, and notes how far it got, in one. Of all daemons that see
-- them the first does it; the others know an older `since`.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] name of the schedule
-- ARGV[3] since when its ticks were to come, ms, as the caller knows it, or "": not known
-- ARGV[4] the same from now on, ms   then the ticks to enqueue, ms, the oldest first: none to skip them
-- Returns { answer, since when its ticks are to come, how many jobs were made }; answer:
--   1 done | 0 taken: another one did it | 2 ended: nobody offers it | 3 paused | 4 early: not yet | 5 gone
-- A tick of a schedule without overlap takes the place of a run that waits for its next try: what fails every time
-- comes at its times all the same, and is dead after as many failures.
-- First write: HINCRBY, refused when Redis is full; ZREM, which passes, when there are no ticks; none unless done
local q, now, name, since = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2], ARGV[4]
local entry = schedule_entry(redis.call('HGET', q .. 'schedule', name))
local known, ran, last_id = progress_of(q, name)
local function refuse(answer) return { answer, known or '', 0 } end

if not entry or type(entry.job) ~= 'string' or type(entry.payload) ~= 'string' then return refuse(5) end
if (known or '') ~= ARGV[3] then return refuse(0) end
if redis.call('HEXISTS', q .. 'paused', name) == 1 then return refuse(3) end
if not is_offered(q, now, name) then return refuse(2) end
if tonumber(ARGV[#ARGV]) > now then return refuse(4) end

local function fields_of_entry()
  local fields = {}
  for i, value in ipairs(type(entry.fields) == 'table' and entry.fields or {}) do fields[i] = value end
  for i = 1, #fields, 2 do
    if fields[i] == 'expires' then fields[i + 1] = now + tonumber(fields[i + 1]) end
  end
  return fields
end

-- After a failure or a crash. What was put off for want of memory has a rank to go back to, and is not hurried.
local function waits_for_retry(id)
  return redis.call('ZSCORE', q .. 'scheduled', id) and redis.call('HEXISTS', q .. 'job:' .. id, 'rank') == 0
end

local key = entry.overlap == false and 'schedule:' .. name or nil
local made, ticks = 0, #ARGV - 4
if ticks == 0 then allow_when_full(q) end
local sequence = ticks > 0 and redis.call('HINCRBY', q .. 'meta', 'seq', ticks) - ticks
for i = 1, ticks do
  local tick, holder = ARGV[4 + i], holder_of(q, key)
  local is_over = holder and waits_for_retry(holder)
  local created, id = add(q, now, sequence + i, { id = name .. '-' .. tick, name = entry.job, payload = entry.payload,
    priority = entry.priority or 0, due = '', fields = fields_of_entry(), key = key, replace = is_over })
  if created > 0 then made, ran, last_id = made + 1, tick, id end
end
redis.call('HSET', q .. 'ticks', name, since .. ' ' .. ran .. ' ' .. last_id)
if made > 0 then update_wake(q) end
return { 1, since, made }
