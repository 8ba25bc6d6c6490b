--: include name arrival/step_words
-- What an envelope says of what comes after its job, and of the batch that it is in.
-- Gives: flow_complaint, is_batch

local LONGEST_ROOT, ID_GIVEN = 64, 32

-- "queue/id".
local function is_batch(text)
  local queue, id = string.match(text, '^([^/]+)/([^/]+)$')
  return queue and is_name(queue) and is_name(id) and #id <= LONGEST_ROOT
end

-- check: what judges an envelope.
local function flow_complaint(envelope, check)
  local batch, steps = envelope.batch, envelope['then']
  if envelope.queue and not is_name(envelope.queue) then return 'bad_name: "queue" is not a valid name' end
  if not (batch or steps) then return end
  if envelope.replace then return 'bad_field: replace does not go with batch and then' end
  if batch and not is_batch(string.gsub(batch, '^%+', '')) then return 'bad_name: batch is no "queue/id"' end
  if envelope.id and #envelope.id > LONGEST_ROOT then return 'bad_name: with batch or then id takes 64 bytes' end
  return steps and steps_complaint('then', steps, check, not batch, envelope.id and #envelope.id or ID_GIVEN, 2)
end
