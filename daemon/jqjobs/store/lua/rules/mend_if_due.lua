--: include mend
-- Mends the keys of a queue once a minute, and as soon as there is a sign of need: for who comes every other second.
-- Gives: mend_if_due

local LOOK_EVERY_MS = 60000

-- SET writes over a key of any type, so it is the usual accident; to have all keys read as strings is one command. Who
-- may not (ACL) looks at each.
local function has_strings(q)
  local keys = {}
  for part in pairs(KINDS) do keys[#keys + 1] = q .. part end
  local found = redis.pcall('MGET', unpack(keys))
  for i = 1, found.err and 0 or #keys do
    if found[i] then return true end
  end
  return found.err
end

local function mend_if_due(q, now)
  local fine, typed = pcall(mend_counts, q)
  local age = now - (fine and typed or -math.huge)
  if age >= 0 and age < LOOK_EVERY_MS and not has_strings(q) then return end
  mend(q)
  redis.call('HSET', q .. 'meta', 'typed', now)
end
