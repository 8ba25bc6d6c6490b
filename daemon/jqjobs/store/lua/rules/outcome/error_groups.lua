--: include core name
-- Dead jobs are counted by what they died of: `errors` has for each group "count first last sample name error". Each
-- job keeps the group it was counted in, so what is counted up is what is counted down. Where that cannot be read, jobs
-- die, and are let go, all the same.
-- Gives: count_death, uncount_death

local MOST_GROUPS, REST, NONE, MOST_TEXT = 500, 'other', '-', 200

-- Returns how many are dead, when the first and the last of them died, ms, the id of the last one, "-" when that is
-- dead no more, and name and error; nothing when there is no such group.
local function read_group(q, group)
  local entry = redis.call('HGET', q .. 'errors', group)
  local dead, first, last, sample, rest = string.match(entry or '', '^([1-9]%d*) (%d+) (%d+) (%S+) (.*)$')
  if dead and #dead <= 15 then return tonumber(dead), first, last, sample, rest end
end

local function write_group(q, group, ...) redis.call('HSET', q .. 'errors', group, table.concat({ ... }, ' ')) end

-- Of one line, in whole characters (UTF-8).
local function beginning(text)
  local line = string.match(text, '^[^\r\n]*')
  return #line > MOST_TEXT and string.gsub(string.sub(line, 1, MOST_TEXT), '[\192-\255][\128-\191]*$', '') or line
end

-- A queue whose errors are all different must not grow without end: those that come late share one group.
local function group_with_room(q, group)
  local dead, first = read_group(q, group)
  if dead or redis.call('HLEN', q .. 'errors') < MOST_GROUPS then return group, dead, first end
  return REST, read_group(q, REST)
end

-- group: what its worker made of the error (jobs/fingerprints.py), or nil: none has reported it.
local function count_death(q, now, id, reason, group)
  pcall(function()
    local job = q .. 'job:' .. id
    local f = redis.call('HMGET', job, 'name', 'error', 'group')
    if f[3] then return end  -- it has died before, in this very call
    local name, text, dead, first = f[1] and is_name(f[1]) and f[1] or NONE, beginning(f[2] or ''), nil, nil
    group, dead, first = group_with_room(q, group or (name == NONE and reason or reason .. ':' .. name))
    if group == REST then name, text = NONE, '' end
    write_group(q, group, digits((dead or 0) + 1), first or digits(now), digits(now), id, name, text)
    redis.call('HSET', job, 'group', group)
  end)
end

-- group: that field of a job which is dead no more.
local function uncount_death(q, id, group)
  pcall(function()
    local dead, first, last, sample, rest = read_group(q, group)
    if dead == 1 then
      redis.call('HDEL', q .. 'errors', group)
    elseif dead then
      write_group(q, group, digits(dead - 1), first, last, sample == id and NONE or sample, rest)
    end
  end)
end
