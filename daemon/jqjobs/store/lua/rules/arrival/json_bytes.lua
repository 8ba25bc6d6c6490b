-- Finds a value in the text of a JSON object and cuts its bytes out as they came: what Lua decodes and encodes would
-- be changed. The text was parsed before, so it is whole.
-- Gives: bytes_of

local find, byte = string.find, string.byte
local QUOTE = byte('"')
local OPENING = { [byte('{')] = true, [byte('[')] = true }

local function end_of_string(raw, at)
  repeat
    at = find(raw, '["\\]', at + 1)
    if byte(raw, at) == QUOTE then return at end
    at = at + 1
  until false
end

-- Returns where the value ends that begins at `at`.
local function end_of_value(raw, at)
  local mark, depth = byte(raw, at), 0
  if mark ~= QUOTE and not OPENING[mark] then return find(raw, '[%s,}]', at) - 1 end
  repeat
    if mark == QUOTE then
      at = end_of_string(raw, at)
    else
      depth = depth + (OPENING[mark] and 1 or -1)
    end
    if depth == 0 then return at end
    at = find(raw, '["{}%[%]]', at + 1)
    mark = byte(raw, at)
  until false
end

-- Returns the bytes of the value of a key, nil when it is not there, or not written plainly.
local function bytes_of(raw, key)
  local at, found = find(raw, '{', 1, true) + 1, nil
  while true do
    at = find(raw, '["}]', at)
    if byte(raw, at) ~= QUOTE then return found end
    local name_end = end_of_string(raw, at)
    local from = find(raw, '[^%s:]', name_end + 1)
    local till = end_of_value(raw, from)
    if string.sub(raw, at + 1, name_end - 1) == key then found = string.sub(raw, from, till) end
    at = till + 1
  end
end
