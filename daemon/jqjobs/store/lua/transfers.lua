--: include core coalescing_key moving/transfer outcome/due_hooks
-- Reads jobs that are on their way to another queue, with all that goes along, for whoever delivers them.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] only those that left so long ago, ms
-- then job ids, or none: of all of them the oldest
-- Returns { now, then eight items for each job: id, token, target, state, score, fields of its record (flat), its
--   history, 1 if it has its coalescing key }, at most 50 of about 1 MiB
-- First write: none
local MOST, MOST_BYTES = 50, 1048576
local q, now, age = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2])
-- What holds in this queue only.
local STAYS = { moving = true, rank = true, held = true, refused = true, awaited = true, token = true, answer = true,
  wait_backoff = true, cancel = true, spread = true }

-- Of a dead job they say too whether its hooks are to be called.
local function fields_of(id)
  local flat, fields, size, key, name = redis.call('HGETALL', q .. 'job:' .. id), {}, 0, nil, ''
  for i = 1, #flat, 2 do
    if flat[i] == 'key' then key = flat[i + 1] end
    if flat[i] == 'name' then name = flat[i + 1] end
    if not STAYS[flat[i]] then fields[#fields + 1], fields[#fields + 2] = flat[i], flat[i + 1] end
    size = size + #flat[i + 1]
  end
  if are_hooks_due(q, id, name) then fields[#fields + 1], fields[#fields + 2] = 'hooks', '1' end
  return fields, size, holder_of(q, key) == id and 1 or 0
end

-- Who may not read it leaves the job to somebody who may: it would arrive without.
local function history_of(id)
  local key = q .. 'job:' .. id .. ':history'
  local lines = redis.pcall('LRANGE', key, 0, -1)
  if not lines.err then return lines end
  local has_none = string.find(lines.err, 'WRONGTYPE') or redis.call('EXISTS', key) == 0
  return has_none and {} or nil
end

local ids, reply, bytes = {}, { now }, 0
for i = 3, #ARGV do ids[i - 2] = ARGV[i] end
if #ARGV == 2 then ids = gone_since(q, now, age, MOST) end
for i = 1, math.min(MOST, #ids) do
  local id, token, target, state, score = ids[i], read_transfer(q, ids[i])
  if token and bytes < MOST_BYTES then
    local fields, size, has_key = fields_of(id)
    local history = history_of(id)
    for _, line in ipairs(history or {}) do size = size + #line end
    for _, item in ipairs(history and { id, token, target, state, score, fields, history, has_key } or {}) do
      reply[#reply + 1] = item
    end
    bytes = bytes + size
  end
end
return reply
