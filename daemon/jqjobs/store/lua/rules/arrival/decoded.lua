-- The text of an envelope as a table; what it says is judged elsewhere (envelope.lua).
-- Gives: decode_envelope

local MOST_ENVELOPE_BYTES = 1048576

-- Returns it, or nil and the reason for refusing it.
local function decode_envelope(raw)
  if #raw > MOST_ENVELOPE_BYTES then return nil, 'too_large: more than 1 MiB' end
  if not string.find(raw, '^%s*{') then return nil, 'not_object: an envelope is a JSON object' end
  local readable, envelope = pcall(cjson.decode, raw)
  if not readable or type(envelope) ~= 'table' then return nil, 'not_json: it does not parse' end
  return envelope
end
