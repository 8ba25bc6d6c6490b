-- What an envelope says of the steps after its job, or after its batch.
-- Gives: steps_complaint

local MOST_STEPS, MOST_STEP_BYTES, MOST_MEMBERS, LONGEST_ID = 16, 65536, 1000, 128
local NOT_OF_STEPS = { 'id', 'key', 'batch', 'then', 'resolve', 'open', 'close' }

local function step_complaint(text, check)
  local envelope, refused = check(text)
  if not envelope then return refused end
  for _, key in ipairs(NOT_OF_STEPS) do
    if envelope[key] ~= nil then return 'bad_field: a step has no key ' .. key end
  end
end

local function members_complaint(all, check)
  if type(all) ~= 'table' or #all == 0 or #all > MOST_MEMBERS then return 'bad_field: all takes 1 to 1000 envelopes' end
  for _, text in ipairs(all) do
    if type(text) ~= 'string' then return 'bad_field: all takes envelopes as strings' end
    local wrong = step_complaint(text, check)
    if wrong then return wrong end
  end
end

-- root: bytes of the id of the first, of number `number`; lists: place → how many members the list there has. Each list
-- makes the ids of all that comes after it longer (flow/begin.lua).
local function longest_id(root, number, steps, lists)
  local longest = 0
  for at = 1, #steps do
    local id = root + (number > 1 and 1 + #tostring(number) or 0)
    longest = math.max(longest, id + (lists[at] and 1 + #tostring(lists[at]) or 0))
    if lists[at] then root, number = id + #'.then', 1 else number = number + 1 end
  end
  return longest
end

-- key: where they stand. has_lists: whether a step may be one. root, number: as of longest_id.
-- Returns nil when all steps are fine, else what is wrong.
local function steps_complaint(key, steps, check, has_lists, root, number)
  local wrong_here, bytes, found, lists = 'bad_field: ' .. key, 0, 0, {}
  for at, text in pairs(steps) do
    if type(at) ~= 'number' or type(text) ~= 'string' then return wrong_here .. ' takes envelopes as strings' end
    bytes, found = bytes + #text, found + 1
    local readable, object = pcall(cjson.decode, text)
    local all = readable and type(object) == 'table' and object.all
    if all and not has_lists then return 'bad_field: a member of a batch has no lists among its steps' end
    local wrong
    if all then wrong = members_complaint(all, check) else wrong = step_complaint(text, check) end
    if wrong then return wrong end
    lists[at] = all and #all
  end
  if found > MOST_STEPS or found ~= #steps then return wrong_here .. ' takes 16 steps' end
  if bytes > MOST_STEP_BYTES then return wrong_here .. ' takes 64 KiB' end
  if longest_id(root, number, steps, lists) > LONGEST_ID then
    return 'bad_name: steps after so many lists have ids of more than 128 bytes'
  end
end
