--: include name ranks arrival/decoded arrival/flow_words
-- Judges a raw envelope (docs/protocol.md, "The envelope"). It only reads: its bytes are stored as they are, and the
-- worker decodes them strictly, since cjson accepts more than JSON allows.
-- Gives: is_coalesce, is_word, field_complaint, check_envelope

local LONGEST_MS = 316224000000   -- ten years
local NUMBERS = {                 -- key → least, greatest
  priority = { LEAST_PRIORITY, GREATEST_PRIORITY }, max_attempts = { 1, 1000000 }, max_crashes = { 1, 1000000 },
  delay_ms = { -LONGEST_MS, LONGEST_MS }, due_ms = { 0, 9007199254740991 }, timeout_ms = { 1, LONGEST_MS },
  expires_ms = { 0, LONGEST_MS }, keep_ms = { 1, LONGEST_MS },
}
local OTHERS = { job = 'string', id = 'string', key = 'string', args = 'table', kwargs = 'table', meta = 'table',
  tags = 'table', group = 'string', coalesce = 'string', replace = 'boolean', batch = 'string', ['then'] = 'table',
  queue = 'string' }
local COALESCE = { queued = true, unfinished = true, stored = true }
local function is_plain(text, most) return type(text) == 'string' and #text <= most and text:find('^[^%c ]+$') end
local function are_tags(tags)
  for at, tag in pairs(tags) do if type(at) ~= 'number' or not is_plain(tag, 64) then return end end
  return #tags <= 16
end

local function is_coalesce(word) return COALESCE[word] end
local function is_word(said) return (said.resolve or said.open or said.close) ~= nil end  -- no job: what is said of one

-- range: of an integer; kind: of another value; neither: there is no such field. Returns what is wrong with it, or nil.
local function field_complaint(key, value, range, kind)
  if range then
    if type(value) ~= 'number' or value ~= math.floor(value) then return key .. ' is not an integer' end
    if value < range[1] or value > range[2] then return key .. ' is out of range' end
  elseif not kind then
    return 'unknown key ' .. string.sub(string.gsub(key, '[^%w_.-]', '?'), 1, 64)
  elseif type(value) ~= kind then
    return key .. ' has the wrong type'
  end
end

-- decoded: nil where that is yet to be done. Returns the envelope, decoded; or nil and the reason for refusing it. Of
-- what is no job only that it is that.
local function check_envelope(raw, decoded)
  local envelope, refused = decoded, nil
  if not envelope then envelope, refused = decode_envelope(raw) end
  if not envelope then return nil, refused end
  if is_word(envelope) then return envelope end
  for key, value in pairs(envelope) do
    local wrong = type(value) ~= OTHERS[key] and field_complaint(key, value, NUMBERS[key], OTHERS[key])
    if wrong then return nil, 'bad_field: ' .. wrong end
  end
  local key, coalesce, group = envelope.key, envelope.coalesce, envelope.group
  local wrong = flow_complaint(envelope, check_envelope)
  if not envelope.job then return nil, 'no_job: the key "job" is missing' end
  if not is_name(envelope.job) then return nil, 'bad_name: "job" is not a valid name' end
  if envelope.id and not is_name(envelope.id) then return nil, 'bad_name: "id" is not a valid id' end
  if key and (#key == 0 or #key > 256) then return nil, 'bad_field: key takes 1 to 256 bytes' end
  if coalesce and not COALESCE[coalesce] then return nil, 'bad_field: coalesce is queued, unfinished or stored' end
  if group and not is_plain(group, 128) then return nil, 'bad_field: group takes a word of 128 bytes' end
  if envelope.tags and not are_tags(envelope.tags) then return nil, 'bad_field: tags takes 16 words of 64 bytes' end
  if not key and (coalesce or envelope.replace) then return nil, 'bad_field: coalesce and replace go with a key' end
  return not wrong and envelope or nil, wrong
end
