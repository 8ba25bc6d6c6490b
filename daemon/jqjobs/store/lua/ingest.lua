--: include core wake arrival/bring_in arrival/decoded arrival/envelope_job arrival/inbox_answer arrival/rejected length
--: include arrival/batch_word arrival/plain_envelope arrival/ready arrival/read_inbox queue_name turns/last partitions
--: include flow/outgoing rank_texts
-- Moves raw envelopes from the inbox into the queue, and hands answers to the jobs that wait for them: at most 100, and
-- about 256 KiB, a call. Reads everything before it writes anything.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""
-- ARGV[2] random text that makes the ids of envelopes without one
-- Returns { accepted (replacing another one too), rejected, already there (id or key), left in the inbox, how much is
--   to be taken to other queues or partitions }
-- | QUEUEFULL: the next one would be new, and no more may wait (rules/length.lua)
-- First write: HINCRBY, refused when Redis is full; none when the inbox is empty
local q, now, time = prefix(KEYS[1]), clock(ARGV[1])
local found = read_inbox(q)
local is_spread, room, most = partitions_of(q), nil, nil
-- Raises where these are damaged, before a record is written that would be in none of them.
redis.call('ZCARD', q .. (is_spread and 'transfers' or 'ready'))
if #found == 0 then return { 0, 0, 0, 0, is_spread and redis.call('ZCARD', q .. 'transfers') or 0 } end
if not is_spread then room, most = room_for_jobs(q) end
local fitting = room and room < #found and count_fitting(q, now, found, room) or #found
if fitting == 0 then return is_full(most) end
for i = #found, fitting + 1, -1 do found[i] = nil end
local sequence = redis.call('HINCRBY', q .. 'meta', 'seq', #found) - #found
local rejected, present, ready, done = 0, 0, {}, 0
local function take_in(i, id, raw, envelope)
  local job, reason, made = read_envelope(raw, now, envelope)
  -- Turns that begin look at all that waits; so may those of a job that one of these calls for.
  if job and (job.fair or job.answer or job.batch) then ready = write_ready(q, ready) end
  if job and job.answer then
    reason = (job.answer.resolve and take_answer or take_batch_word)(q, now, raw, job.answer)
  elseif job and job.queue and job.queue ~= home_of(q) then
    reason = 'bad_field: this is the inbox of another queue'
  elseif job then
    made, reason = bring_in(q, now, sequence + i, job.id or id, raw, job, is_spread, ready)
    if made == 0 then present = present + 1 end
  end
  if reason then
    rejected = rejected + 1
    reject(q, now, reason, raw)
  end
end
local numbers = rank_texts(sequence + 1, #found) or {}
-- Where a key is damaged, all that came before is in its place, and out of the inbox.
local fine, problem = pcall(function()
  for i, raw in ipairs(found) do
    local id, envelope = ARGV[2] .. string.format('%02x', i), decode_envelope(raw)
    local number = not is_spread and envelope and numbers[i]
    if not (number and add_plain_envelope(q, time, number, id, raw, envelope, ready)) then
      take_in(i, id, raw, envelope)
    end
    done = i
  end
end)
redis.call('LTRIM', q .. 'inbox', 0, -1 - done)
write_ready(q, ready)
write_turns(q)
if not fine then error(problem, 0) end
update_wake(q)
local leaves = math.max(is_spread and redis.call('ZCARD', q .. 'transfers') or 0, outgoing[q] and 1 or 0)
return { #found - rejected - present, rejected, present, redis.call('LLEN', q .. 'inbox'), leaves }
