--: include core wake arrival/bring_in arrival/envelope_job arrival/inbox_answer arrival/rejected length
--: include arrival/newcomers arrival/batch_word arrival/ready arrival/read_inbox queue_name turns/last partitions
-- Moves raw envelopes from the inbox into the queue, and hands answers to the jobs that wait for them: at most 100, and
-- about 256 KiB, a call. Reads everything before it writes anything.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""
-- ARGV[2] random text that makes the ids of envelopes without one
-- Returns { accepted (replacing another one too), rejected, already there (id or key), left in the inbox, leaving it }
-- | QUEUEFULL: the next one would be new, and no more may wait (rules/length.lua)
-- First write: HINCRBY, refused when Redis is full; none when the inbox is empty
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local found = read_inbox(q)

-- How many come before the first that would be new and has no room.
local function count_fitting(envelopes, room)
  local is_new = newcomers(q)
  for i, raw in ipairs(envelopes) do
    local job = read_envelope(raw, now)
    if job and not job.answer and is_new(job.id, job.key) then room = room - 1 end
    if room < 0 then return i - 1 end
  end
  return #envelopes
end

if #found == 0 then return { 0, 0, 0, 0, 0 } end
local is_spread, room, most = partitions_of(q), nil, nil
if not is_spread then room, most = room_for_jobs(q) end
local fitting = room and room < #found and count_fitting(found, room) or #found
if fitting == 0 then return is_full(most) end
for i = #found, fitting + 1, -1 do found[i] = nil end
local sequence = redis.call('HINCRBY', q .. 'meta', 'seq', #found) - #found
local accepted, rejected, present, ready = 0, 0, 0, {}
for i, raw in ipairs(found) do
  local job, reason = read_envelope(raw, now)
  if job and job.answer then
    reason = (job.answer.resolve and take_answer or take_batch_word)(q, now, raw, job.answer)
    if not reason then accepted = accepted + 1 end
  elseif job and (job.queue or home_of(q)) ~= home_of(q) then
    reason = 'bad_field: this is the inbox of another queue'
  elseif job then
    local id, made = job.id or ARGV[2] .. string.format('%02x', i), nil
    if job.fair then ready = write_ready(q, ready) end  -- turns that begin look at all that waits
    made, reason = bring_in(q, now, sequence + i, id, raw, job, is_spread, ready)
    if made == 0 then present = present + 1 elseif made then accepted = accepted + 1 end
  end
  if reason then
    rejected = rejected + 1
    reject(q, now, reason, raw)
  end
end
redis.call('LTRIM', q .. 'inbox', 0, -1 - #found)
write_ready(q, ready)
write_turns(q)
update_wake(q)
local leaving = is_spread and redis.call('ZCARD', q .. 'transfers') or 0
return { accepted, rejected, present, redis.call('LLEN', q .. 'inbox'), leaving }
