--: include core wake ticking periodic
-- Ticks of a schedule have come: enqueues their jobs, and notes how far it got, in one. Of all daemons that see
-- them the first does it; the others know an older `since`.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] name of the schedule
-- ARGV[3] since when its ticks were to come, ms, as the caller knows it, or "": not known
-- ARGV[4] the same from now on, ms   then the ticks to enqueue, ms, the oldest first: none to skip them
-- Returns { answer, since when its ticks are to come, how many jobs were made }; answer:
--   1 done | 0 taken: another one did it | 2 ended: nobody offers it | 3 paused | 4 early: not yet | 5 gone
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

if #ARGV == 4 then allow_when_full(q) end
local made, tick, id = make_jobs(q, now, entry, name, 5)
redis.call('HSET', q .. 'ticks', name, since .. ' ' .. (tick or ran) .. ' ' .. (id or last_id))
if made > 0 then update_wake(q) end
return { 1, since, made }
