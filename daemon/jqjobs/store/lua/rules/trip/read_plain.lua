--: include name trip/plain_fields trip/plain_record
-- What ready begins with, as far as it is plain: a name and a payload, taken for the first time.
-- Gives: MOST_TAKE_BYTES, read_plain

local MOST_TAKE_BYTES = 524288  -- with which a trip stops: one more payload, a MiB at most, is over that
local UNREAD = {}

-- room: for so many bytes of payloads; the one that is more is the last. Returns how many of these jobs come before the
-- first that is not plain or was taken before, runs (name, since when it waits, how often both come in a row) and
-- payloads of those, and the bytes of these payloads.
-- A job that is like the one before it costs a quarter less, being read without the names of its fields.
local function read_plain(q, ids, most, room)
  local job, runs, payloads, n, bytes = q .. 'job:', {}, {}, 0, 0
  local are_alike, name, since, run, times = false, nil, false, 0, 0
  for i = 1, math.min(#ids, most) do
    if bytes > room then break end
    local values = are_alike and redis.pcall('HVALS', job .. ids[i]) or UNREAD
    local payload, group = values[2], values[4]
    if values[1] ~= name or values[3] ~= since or payload < '{' or (group and not is_only_group(group, values[5])) then
      local its_name, its_payload, its_since = told_apart(values, name)
      if not its_name then
        are_alike = not name
        its_name, its_payload, its_since = read_fields(job .. ids[i])
      end
      if not its_payload or not its_name or (its_name ~= name and not is_name(its_name)) then break end
      if its_name ~= name or its_since ~= since then
        if name then runs[run] = times end
        name, since, run, times = its_name, its_since, run + 3, 0
        runs[run - 2], runs[run - 1] = name, since
      end
      payload = its_payload
    end
    n, times, bytes, payloads[i] = i, times + 1, bytes + #payload, payload
  end
  if name then runs[run] = times end
  return n, runs, payloads, bytes
end
