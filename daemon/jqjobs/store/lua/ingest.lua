--: include prelude envelope
-- Moves raw envelopes from the inbox into the queue: at most 100, and about 256 KiB, a call.
-- Refused at maxmemory: its first write is HINCRBY. Reads everything before it writes anything.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""
-- ARGV[2] random text that makes the ids of envelopes without one
-- Returns: accepted, rejected, already there (same id or coalescing key), envelopes left.
local MOST, MOST_BYTES = 100, 262144
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local inbox = q .. 'inbox'
local found, bytes = {}, 0
while #found < MOST and bytes < MOST_BYTES do
  local raw = redis.call('LINDEX', inbox, -1 - #found)
  if not raw then break end
  found[#found + 1], bytes = raw, bytes + #raw
end
if #found == 0 then return { 0, 0, 0, 0 } end
local sequence = redis.call('HINCRBY', q .. 'meta', 'seq', #found) - #found
local accepted, rejected, present = 0, 0, 0
for i, raw in ipairs(found) do
  local job, reason = read_envelope(raw, now)
  if job then
    local id = job.id or ARGV[2] .. string.format('%02x', i)
    local priority = job.priority or tonumber(published(q, job.name).priority) or 0
    local created = add(q, now, sequence + i, id, job.name, raw, priority, job.due, job.key, job.fields)
    accepted, present = accepted + created, present + 1 - created
  else
    reject(q, now, reason, raw)
    rejected = rejected + 1
  end
end
redis.call('LTRIM', inbox, 0, -1 - #found)
update_wake(q)
return { accepted, rejected, present, redis.call('LLEN', inbox) }
