-- What comes after a job: the steps in its field `then`, one after the other, each as "<bytes>:<text>"; the text is an
-- envelope, or {"all": [envelopes as strings]}. Nothing of it is encoded again (docs/protocol.md, "Chains").
-- Gives: first_step, written_steps, members_of

-- Returns the first step, "" for none, and the others as they were written.
local function first_step(text)
  local size, at = string.match(text or '', '^(%d+):()')
  if not size then return '', '' end
  return string.sub(text, at, at + size - 1), string.sub(text, at + size)
end

local function written_steps(steps)
  local written = {}
  for i, step in ipairs(steps) do written[i] = #step .. ':' .. step end
  return table.concat(written)
end

-- Returns the envelopes of a step that is a list, else nil.
local function members_of(step)
  local readable, object = pcall(cjson.decode, step)
  local all = readable and type(object) == 'table' and object.all
  return type(all) == 'table' and all or nil
end
