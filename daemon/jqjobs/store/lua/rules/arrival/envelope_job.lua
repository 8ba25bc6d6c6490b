--: include core options arrival/envelope flow/steps
-- What an envelope says of its job, and what it does not say.
-- Gives: read_envelope, fill_in

-- fair: that field, or nil.
local function fields_of(envelope, fair, now)
  local fields = {}
  local function put(name, value) if value then fields[#fields + 1], fields[#fields + 2] = name, value end end
  put('max_attempts', envelope.max_attempts)
  put('max_crashes', envelope.max_crashes)
  put('timeout', envelope.timeout_ms)
  put('keep', envelope.keep_ms)
  put('fair', fair)
  put('tags', envelope.tags and #envelope.tags > 0 and table.concat(envelope.tags, ' '))
  put('expires', envelope.expires_ms and now + envelope.expires_ms)
  local steps = envelope['then'] and #envelope['then'] > 0 and envelope['then']
  put('then', steps and written_steps(steps))
  if steps or envelope.batch then put('flow', (steps and 't' or '') .. (envelope.batch and 'b' or '')) end
  return fields
end

-- Returns the job as a table, or a table with what is said of a job or a batch that is there (inbox_answer.lua,
-- batch_word.lua); or nil and the reason for refusing it.
local function read_envelope(raw, now, decoded)
  local envelope, refused = check_envelope(raw, decoded)
  if not envelope then return nil, refused end
  if is_word(envelope) then return { answer = envelope } end
  local delay, due = envelope.delay_ms, envelope.due_ms and digits(envelope.due_ms)
  if delay and (delay > 0 or not due) then due = delay > 0 and '+' .. digits(delay) or '' end
  local fair = envelope.group and '=' .. envelope.group
  return { name = envelope.job, id = envelope.id, key = envelope.key, priority = envelope.priority, due = due,
    fair = fair, fields = fields_of(envelope, fair, now), coalesce = envelope.coalesce, replace = envelope.replace,
    batch = envelope.batch, queue = envelope.queue }
end

-- What the envelope does not say comes from what workers published for the job's name.
local function fill_in(q, job)
  if job.priority and job.due and not job.key then return end
  local entry = published(q, job.name)
  job.priority = job.priority or tonumber(entry.priority) or 0
  local delay = tonumber(entry.delay_ms) or 0
  job.due = job.due or delay > 0 and '+' .. digits(math.floor(delay)) or ''
  if not job.key then return end
  if job.replace == nil then job.replace = entry.replace == true end
  local mode = job.coalesce or entry.coalesce
  if mode ~= 'unfinished' and is_coalesce(mode) then
    job.fields[#job.fields + 1], job.fields[#job.fields + 2] = 'coalesce', mode
  end
end
