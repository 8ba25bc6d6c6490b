--: include core wake ticking periodic at_run_time
-- The moment of a schedule that was added at run time has come, or a daemon knows when it will: enqueues its ticks,
-- and notes how far it got and when it comes next, in one. Of all daemons the first does it.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] name   ARGV[3], ARGV[4] since, as in tick.lua
-- ARGV[5] when it is to be looked at next, ms, or "": its end has come, and it is forgotten   then the ticks to enqueue
-- Returns { answer, since when its ticks are to come, how many jobs were made, when the first of all comes, ms, or -1 }
--   answer: 1 done | 0 taken: another one did it | 3 paused | 4 early | 5 gone
-- First write: HINCRBY, refused when Redis is full; ZREM, which passes, when there are no ticks; none for 0 and 4
local q, now, name, since = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2], ARGV[4]
local raw, known, ran, last_id = read_added(q, name)
local entry = schedule_entry(raw)
local function answer(word, made) return { word, word == 1 and since or known, made or 0, first_to_come(q) } end

if not raw then
  redis.call('ZREM', q .. 'comes', name)
  return answer(5)
end
if known ~= ARGV[3] then return answer(0) end
if redis.call('HEXISTS', q .. 'paused', name) == 1 then
  allow_when_full(q)
  let_come(q, name, NEVER)
  return answer(3)
end
if tonumber(ARGV[6] and ARGV[#ARGV] or since) > now then return answer(4) end

local is_whole = entry and type(entry.job) == 'string' and type(entry.payload) == 'string'
local made, tick, id = 0, nil, nil
if #ARGV == 5 then allow_when_full(q) end
if is_whole and ARGV[6] then
  -- One of that name in code makes jobs of its own.
  made, tick, id = make_jobs(q, now, entry, type(entry.id) == 'string' and entry.id or name .. '.added', 6)
end
if ARGV[5] == '' then
  forget_added(q, name)
else
  come_to(q, name, since, tick or ran, id or last_id)
  let_come(q, name, ARGV[5])
end
if made > 0 then update_wake(q) end
return answer(1, made)
