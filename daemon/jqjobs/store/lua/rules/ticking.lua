--: include coalescing_key arrival/add turns/last
-- Ticks of a schedule make jobs.
-- Gives: make_jobs

local function fields_from(entry, now)
  local fields, group = {}, nil
  for i, value in ipairs(type(entry.fields) == 'table' and entry.fields or {}) do fields[i] = value end
  for i = 1, #fields, 2 do
    if fields[i] == 'expires' then fields[i + 1] = now + tonumber(fields[i + 1]) end
    if fields[i] == 'fair' then group = fields[i + 1] end
  end
  return fields, group
end

-- After a failure or a crash. What was put off, by itself or for want of memory, has a rank to go back to, and is not
-- hurried.
local function waits_for_retry(q, id)
  return redis.call('ZSCORE', q .. 'scheduled', id) and redis.call('HEXISTS', q .. 'job:' .. id, 'rank') == 0
end

-- ids_begin: with what their ids begin, and which no other schedule has; the ticks are ARGV from `first` on.
-- A tick of a schedule without overlap takes the place of a run that waits for its next try: what fails every time
-- comes at its times all the same, and is dead after as many failures.
-- Returns how many jobs were made, and of the last of them tick and id.
local function make_jobs(q, now, entry, ids_begin, first)
  local key = entry.overlap == false and 'schedule:' .. ids_begin or nil
  local made, ran, last_id, ticks = 0, nil, nil, #ARGV - first + 1
  local sequence = ticks > 0 and redis.call('HINCRBY', q .. 'meta', 'seq', ticks) - ticks
  for i = 1, ticks do
    local tick, holder = ARGV[first + i - 1], holder_of(q, key)
    local is_over = holder and waits_for_retry(q, holder)
    local fields, group = fields_from(entry, now)
    local created, id = add(q, now, sequence + i, { id = ids_begin .. '-' .. tick, name = entry.job,
      payload = entry.payload, priority = entry.priority or 0, due = '', fields = fields, fair = group,
      key = key, replace = is_over })
    if created > 0 then made, ran, last_id = made + 1, tick, id end
  end
  write_turns(q)
  return made, ran, last_id
end
