--: include name limits/gate
-- The record of a job with one limit and nothing else to be said, but perhaps a group, that was never taken.
-- Gives: read_limited

-- known: what may be a name. Returns name, payload, since when it waits, the text of its limits, and these, a list of
-- one; no name: it is another record, or damaged.
local function read_limited(job, known)
  local found, name, payload, since, text, is_new = redis.pcall('HGETALL', job), nil, nil, nil, nil, false
  for i = 1, #found, 2 do
    local field, value = found[i], found[i + 1]
    if field == 'name' then
      name = value
    elseif field == 'payload' then
      payload = value
    elseif field == 'enqueued' then
      since = value
    elseif field == 'limits' then
      text = value
    elseif field == 'attempt' then
      is_new = value == '0'
    elseif field ~= 'fair' then
      return
    end
  end
  if not (is_new and name and payload and since and text) or (name ~= known and not is_name(name)) then return end
  local limits, is_one = limits_of(text)
  if is_one and limits[1].most > 0 then return name, payload, since, text, limits end
end
