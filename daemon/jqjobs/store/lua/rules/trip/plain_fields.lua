-- The fields of a job that may be plain, read one by one.
-- Gives: read_fields

-- Returns name, payload and since when it waits, false where nobody knows. No name: not plain, or nobody can tell.
-- `attempt` says that a job is not plain. A damaged one is not either, so redis.pcall.
local function read_fields(job)
  local f, name, payload, enqueued, due = redis.pcall('HGETALL', job), nil, nil, nil, nil
  for i = 1, #f, 2 do
    local field, value = f[i], f[i + 1]
    if field == 'name' then
      name = value
    elseif field == 'payload' then
      payload = value
    elseif field == 'enqueued' then
      enqueued = value
    elseif field == 'due' then
      due = value
    elseif field == 'attempt' then
      return
    end
  end
  return name, payload, due or enqueued or false
end
