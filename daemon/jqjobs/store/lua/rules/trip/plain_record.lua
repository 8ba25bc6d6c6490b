-- The record of a job that may be plain: of most, a name, a payload, and the moment at which it was enqueued; of many,
-- a group, which begins as no other value does.
-- Gives: told_apart, is_only_group

local MOMENT, GROUP = #'1795959690231', string.byte('=')

-- value: the fourth of a record; fifth: nil where there is none.
local function is_only_group(value, fifth) return not fifth and string.byte(value) == GROUP end

local function leave_out_group(values)
  for i, value in ipairs(values) do
    if string.byte(value) == GROUP then return table.remove(values, i) end
  end
end

-- values: of the fields of a record, which long ones have in no order. It is told if they are this name, a moment, and
-- what begins like a payload; and a group, or not.
local function told_apart(values, name)
  if values[4] and not values[5] then leave_out_group(values) end
  local first, payload, since = values[1], values[2], values[3]
  if not since or values[4] then return end
  if first ~= name then
    if payload == name then payload = first elseif since == name then since = first else return end
  end
  if payload < '{' then payload, since = since, payload end
  if #since == MOMENT and payload >= '{' then return name, payload, since end
end
