--: include arrival/envelope_job arrival/newcomers
-- What one call takes out of the inbox (ingest.lua).
-- Gives: read_inbox, count_fitting

local MOST_TAKEN_IN, MOST_TAKEN_IN_BYTES = 100, 262144
local MOST_A_READ = 8  -- each of them may be a MiB

-- Returns envelopes, the oldest first.
local function read_inbox(q)
  local found, bytes = {}, 0
  repeat
    local most = math.min(MOST_A_READ, MOST_TAKEN_IN - #found)
    local read = redis.call('LRANGE', q .. 'inbox', -#found - most, -1 - #found)
    for i = #read, 1, -1 do
      if bytes < MOST_TAKEN_IN_BYTES then found[#found + 1], bytes = read[i], bytes + #read[i] end
    end
  until #read < most or #found == MOST_TAKEN_IN or bytes >= MOST_TAKEN_IN_BYTES
  return found
end

-- How many come before the first that would be new and has no room.
local function count_fitting(q, now, envelopes, room)
  local is_new = newcomers(q)
  for i, raw in ipairs(envelopes) do
    local job = read_envelope(raw, now)
    if job and not job.answer and is_new(job.id, job.key) then room = room - 1 end
    if room < 0 then return i - 1 end
  end
  return #envelopes
end
