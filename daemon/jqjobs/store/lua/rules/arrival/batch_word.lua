--: include arrival/envelope arrival/flow_words arrival/step_words queue_name flow/steps flow/settle_batch
-- A batch is opened or closed through the inbox of its home: {"open": "queue/id", …} or {"close": "queue/id",
-- "count": N}.
-- Gives: take_batch_word

local KEPT_OVER_MS, KEEPS = 604800000, { 1, 316224000000 }
local ON_DEAD = { wait = true, cancel = true, go = true }
local OPEN = { open = 'string', ['then'] = 'table', always = 'table', on_dead = 'string', keep_ms = KEEPS }
local CLOSE = { close = 'string', count = { 0, 9007199254740991 } }

-- fields: name → type, or least and greatest.
local function wrong_field(envelope, fields)
  for key, value in pairs(envelope) do
    local wrong = field_complaint(key, value, type(fields[key]) == 'table' and fields[key], fields[key])
    if wrong then return 'bad_field: ' .. wrong end
  end
end

-- Returns its id, or nil and what is wrong.
local function batch_here(q, ref)
  if not is_batch(ref) then return nil, 'bad_name: a batch is "queue/id"' end
  local queue, id = string.match(ref, '^([^/]+)/(.+)$')
  if queue ~= queue_of(q) then return nil, 'bad_field: this is another queue than the home of the batch' end
  return id
end

local function open(q, now, id, envelope)
  local steps, always, keep = envelope['then'] or {}, envelope.always or {}, envelope.keep_ms or KEPT_OVER_MS
  local root = #id + #'.always'
  local wrong = steps_complaint('then', steps, check_envelope, true, root, 1)
    or steps_complaint('always', always, check_envelope, true, root, 1)
  if wrong then return wrong end
  if not ON_DEAD[envelope.on_dead or 'wait'] then return 'bad_field: on_dead is wait, cancel or go' end
  local batch = q .. 'batch:' .. id
  if redis.call('HSETNX', batch, 'opened', 'envelope') == 0 then return 'bad_field: there is a batch of this name' end
  redis.call('HSETNX', batch, 'created', now)
  redis.call('HSET', batch, 'on_dead', envelope.on_dead or 'wait', 'keep', keep, 'then', written_steps(steps),
    'always', written_steps(always))
  redis.call('ZADD', q .. 'batches', '+inf', id)
end

local function close(q, now, id, envelope)
  if not envelope.count then return 'bad_field: count is missing' end
  local batch = q .. 'batch:' .. id
  if redis.call('HSETNX', batch, 'expected', envelope.count) == 0 then return 'bad_field: it is closed' end
  local is_first = redis.call('HSETNX', batch, 'created', now) == 1
  if is_first then redis.call('ZADD', q .. 'batches', now + KEPT_OVER_MS, id) end
end

-- As take_answer does. Returns nil, or the reason for refusing it.
local function take_batch_word(q, now, _, envelope)
  local opens = envelope.open ~= nil
  local wrong = wrong_field(envelope, opens and OPEN or CLOSE)
  if wrong then return wrong end
  local id, elsewhere = batch_here(q, opens and envelope.open or envelope.close)
  if not id then return elsewhere end
  if opens then wrong = open(q, now, id, envelope) else wrong = close(q, now, id, envelope) end
  if not wrong then settle_batch(q, now, id) end
  return wrong
end
