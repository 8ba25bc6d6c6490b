--: include name trip/plain_fields trip/plain_record
-- What ready begins with, as far as it is plain: a name and a payload, taken for the first time.
-- Gives: MOST_TAKE_BYTES, add_run, read_plain

local MOST_TAKE_BYTES = 524288  -- with which a trip stops: one more payload, a MiB at most, is over that
local UNREAD = {}

-- runs: flat, three items a run: name, since when its jobs wait, how many jobs in a row have both.
local function add_run(runs, name, since, times)
  local n = #runs
  if runs[n - 2] == name and runs[n - 1] == since then
    runs[n] = runs[n] + times
  else
    runs[n + 1], runs[n + 2], runs[n + 3] = name, since, times
  end
end

-- room: for so many bytes of payloads; the one that is more is the last. Returns how many of these jobs come before the
-- first that is not plain or was taken before, runs and payloads of those, and the bytes of these payloads.
-- A job that is like the one before it costs a quarter less, being read without the names of its fields.
local function read_plain(q, ids, most, room)
  local job, runs, payloads, n, bytes = q .. 'job:', {}, {}, 0, 0
  local are_alike, name, since, times = false, nil, false, 0
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
        if name then add_run(runs, name, since, times) end
        name, since, times = its_name, its_since, 0
      end
      payload = its_payload
    end
    n, times, bytes, payloads[i] = i, times + 1, bytes + #payload, payload
  end
  if name then add_run(runs, name, since, times) end
  return n, runs, payloads, bytes
end
