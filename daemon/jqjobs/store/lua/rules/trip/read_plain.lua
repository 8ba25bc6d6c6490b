--: include name
-- What ready begins with, as far as it is plain: a name and a payload, taken for the first time.
-- Gives: MOST_TAKE_BYTES, read_plain

local MOST_TAKE_BYTES = 1048576

-- To read all fields costs less than to look for each: most records have these three, in this order while they are
-- short. `attempt`: it is not plain. A damaged job is not either, so redis.pcall.
local function read_record(job)
  local f = redis.pcall('HGETALL', job)
  if f[5] == 'enqueued' and f[3] == 'payload' and f[1] == 'name' and not f[7] then return f[2], f[4], f[6] end
  local name, payload, enqueued, due = nil, nil, nil, nil
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
  return name, payload, due or enqueued
end

-- head: what ready begins with, and ranks. Returns ids, runs (name, since when it waits, how often both come in a row)
-- and payloads of the jobs before the first that is not plain or was taken before, and the bytes of those payloads.
local function read_plain(q, head, most)
  local job, ids, runs, payloads, n, bytes = q .. 'job:', {}, {}, {}, 0, 0
  local last, last_since, run = nil, nil, -2
  for i = 1, math.min(#head, 2 * most), 2 do
    local name, payload, since = read_record(job .. head[i])
    if not payload or not name or bytes > MOST_TAKE_BYTES then break end
    if name ~= last and not is_name(name) then break end
    n = n + 1
    ids[n], payloads[n], bytes = head[i], payload, bytes + #payload
    if name ~= last or since ~= last_since then
      last, last_since, run = name, since, run + 3
      runs[run], runs[run + 1], runs[run + 2] = name, since or false, 0
    end
    runs[run + 2] = runs[run + 2] + 1
  end
  return ids, runs, payloads, bytes
end
