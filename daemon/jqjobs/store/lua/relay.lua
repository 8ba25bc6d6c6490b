--: include core wake arrival/bring_in arrival/envelope_job arrival/rejected length arrival/newcomers
--: include turns/last partitions flow/and_leaving
-- Brings jobs that producers left in the outbox of their database, each once: whoever else has read the same row finds
-- the marker.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] how long markers stay, ms
-- then for each row: its id, its envelope; or "", so that what has that id does not come any more
-- Returns for each row: 1 created (or barred) | 2 replaced | 0 present: its id or its key is there | -1 again: it came
-- before | -2 refused, see `rejected` | -3 no_room: no more may wait (rules/length.lua), try again; then "leaving", see
-- rules/flow/and_leaving.lua
-- First write: HINCRBY, refused when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local is_spread = partitions_of(q)
local room = not is_spread and room_for_jobs(q)
local is_new = newcomers(q)
local rows = (#ARGV - 2) / 2
local sequence = redis.call('HINCRBY', q .. 'meta', 'seq', rows) - rows

-- Returns the job of a row as a table, or nil and the reason for refusing it.
local function read_row(raw)
  local job, reason = read_envelope(raw, now)
  if job and job.answer then job, reason = nil, 'bad_field: no answer comes through an outbox' end
  return job, reason
end

local function bring(id, raw, nth)
  local marker = q .. 'relayed:' .. id
  if redis.call('EXISTS', marker) == 1 then return -1 end
  local job, reason, made = nil, nil, 1
  if raw ~= '' then job, reason = read_row(raw) end
  if job and room and is_new(id, job.key) then
    if room < 1 then return -3 end
    room = room - 1
  end
  if job then made, reason = bring_in(q, now, sequence + nth, id, raw, job, is_spread) end
  if reason then
    reject(q, now, reason, raw)
    made = -2
  end
  redis.call('SET', marker, '1', 'PX', ARGV[2])
  return made
end

local reply = {}
for n = 1, rows do reply[n] = bring(ARGV[1 + 2 * n], ARGV[2 + 2 * n], n) end
write_turns(q)
update_wake(q)
return and_leaving(q, reply)
