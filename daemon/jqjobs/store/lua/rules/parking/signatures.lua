--: include offers
-- Which functions live workers have behind a job name: what they offer as "name signature". A signature is a digest of
-- what the function takes (jobs/signature_digest.py).
-- Gives: is_offered_otherwise

-- Read once a call: many jobs that do not fit come together.
local signatures = {}
local function signatures_of(q, now, name)
  if not signatures[q] then
    signatures[q] = {}
    each_offer(q, now, function(offer)
      local of, signature = string.match(offer, '^([^~ ]+) (%S+)$')
      if of then
        signatures[q][of] = signatures[q][of] or {}
        table.insert(signatures[q][of], signature)
      end
    end)
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
