-- What applies to a job: its own options, else what workers published for its name, less what a person has forgiven it.
-- Gives: published, option, forgiven

local DEFAULTS = { max_attempts = 10, max_crashes = 3 }

-- What workers published for a job name: a table of defaults, empty when there is none that can be read. Read once:
-- many jobs of one call have one name.
local entries = {}
local function published(q, name)
  local key = q .. (name or ' ')
  if not entries[key] then
    local raw = name and redis.pcall('HGET', q .. 'catalog', name)
    local readable, entry = pcall(cjson.decode, type(raw) == 'string' and raw or '{}')
    entries[key] = readable and type(entry) == 'table' and entry or {}
  end
  return entries[key]
end

-- Others may have written there; an option that makes no sense is none.
local function sensible(value)
  local number = tonumber(value)
  return number and number >= 1 and number <= 316224000000 and number or nil
end

-- own: the job's field. which: the key in the catalog entry. Returns nil when nobody said, and there is no default.
local function option(q, name, own, which)
  return tonumber(own or nil) or sensible(published(q, name)[which]) or DEFAULTS[which]
end

-- text: the field `forgiven`, four counters as they stood when a person retried the job (retry.lua).
local function forgiven(text, nth)
  local found = {}
  for number in string.gmatch(text or '', '%d+') do found[#found + 1] = tonumber(number) end
  return found[nth] or 0
end
