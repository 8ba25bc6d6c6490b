--: include core
-- Which functions live workers have behind a job name: the members "name signature" of `offers`. A signature is a
-- digest of what the function takes (jobs/signature_digest.py).
-- Gives: is_name_offered, is_offered_otherwise

local function is_name_offered(q, now, name)
  local until_ms = redis.call('ZSCORE', q .. 'offers', name)
  return until_ms and tonumber(until_ms) > now
end

-- Read once a call: many jobs that do not fit come together.
local signatures = {}
local function signatures_of(q, now, name)
  if not signatures[q] then
    signatures[q] = {}
    for _, offer in ipairs(redis.call('ZRANGEBYSCORE', q .. 'offers', '(' .. digits(now), '+inf')) do
      local of, signature = string.match(offer, '^([^~ ]+) (%S+)$')
      if of then
        signatures[q][of] = signatures[q][of] or {}
        table.insert(signatures[q][of], signature)
      end
    end
  end
  return signatures[q][name] or {}
end

-- refused_by: as text, each between two spaces. Returns whether a live worker has another one than these.
local function is_offered_otherwise(q, now, name, refused_by)
  for _, signature in ipairs(signatures_of(q, now, name)) do
    if not string.find(refused_by, ' ' .. signature .. ' ', 1, true) then return true end
  end
  return false
end
