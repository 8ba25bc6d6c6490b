-- What applies to a job: its own options, else what workers published for its name, less what a person has forgiven it.
-- Gives: published, option, forgiven

local DEFAULTS = { max_attempts = 10, max_crashes = 3 }

-- What workers published for a job name: a table of defaults, empty when there is none. Read once: many jobs of one
-- call have one name.
local entries = {}
local function published(q, name)
  local key = q .. (name or ' ')
  if not entries[key] then
    local raw = name and redis.call('HGET', q .. 'catalog', name)
    local readable, entry = pcall(cjson.decode, raw or '{}')
    entries[key] = readable and type(entry) == 'table' and entry or {}
  end
  return entries[key]
end

-- own: the job's field. which: the key in the catalog entry. Returns nil when nobody said, and there is no default.
local function option(q, name, own, which)
  return tonumber(own or nil) or tonumber(published(q, name)[which]) or DEFAULTS[which]
end

-- text: the field `forgiven`, four counters as they stood when a person retried the job (retry.lua).
local function forgiven(text, nth)
  local found = {}
  for number in string.gmatch(text or '', '%d+') do found[#found + 1] = tonumber(number) end
  return found[nth] or 0
end
