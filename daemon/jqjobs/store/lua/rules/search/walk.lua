--: include core scheduled search/position search/selector workers/hands
-- Goes through the jobs of one state from a place on. Jobs that come and go between two walks are no reason to miss one
-- that stays, or to see it twice.
-- Gives: go_through

local MOST_BYTES, CHUNK, TIMER = 1048576, 100, string.byte('~')

-- wanted: jobs/selector.py. cursor: where the walk before ended, "#n" to pass over the first n, or "".
-- most: it looks at so many members, or at a MiB of arguments. found: called for each job that matches, with its key,
-- id, attempt (of an active one, else ""), score and worker (or ""); returns whether that is enough.
-- Returns jobs in that state, looked at, members left to look at, cursor or "" at the end.
local function go_through(q, now, wanted, cursor, most, found)
  local state, matches, first, last = wanted.state, matcher(now, wanted), first_and_last(now, wanted)
  local score_before, worker_before, member_before = string.match(cursor, '^(%S+) (%S*) (.+)$')
  local passed_over = tonumber(string.match(cursor, '^#(%d+)$')) or 0
  local total, looked, left, read, bytes, is_enough = 0, 0, 0, 0, 0, most == 0

  -- A member of an active set is "id attempt"; one that begins with "~" is the timer of a limit, no job.
  local function look_at(member, score, worker)
    read = read + 1
    if string.byte(member) ~= TIMER then
      local id, attempt = member, ''
      if state == 'active' then id, attempt = string.match(member, '(%S+) ?(%S*)') end
      local job, fine, size = q .. 'job:' .. id, true, 0
      if matches then fine, size = matches(job) end
      looked, bytes = looked + 1, bytes + size
      is_enough = fine and found(job, id, attempt, score, worker)
    end
    is_enough = is_enough or read >= most or bytes >= MOST_BYTES
  end

  local function look_through(key, upto, worker, goes_on)
    local at = goes_on and position_after(key, score_before, member_before) or passed_over
    if has_moments[state] then
      if first then at = math.max(at, redis.call('ZCOUNT', key, '-inf', '(' .. digits(first))) end
      if last then upto = redis.call('ZCOUNT', key, '-inf', digits(last)) end
    end
    while at < upto and not is_enough do
      local seen, members = 0, redis.call('ZRANGE', key, at, math.min(upto, at + CHUNK) - 1, 'WITHSCORES')
      for i = 1, #members, 2 do
        look_at(members[i], members[i + 1], worker)
        at, seen = at + 1, i
        if is_enough then break end
      end
      cursor = members[seen + 1] .. ' ' .. worker .. ' ' .. members[seen]
    end
    left = left + math.max(0, upto - at)
  end

  local workers = state == 'active' and hands_by_name(q) or { '' }
  for _, worker in ipairs(workers) do
    local key = q .. (state == 'moving' and 'transfers' or state) .. (state == 'active' and ':' .. worker or '')
    local size = redis.call('ZCARD', key)
    total = total + size
    if not worker_before or worker >= worker_before then look_through(key, size, worker, worker == worker_before) end
  end
  if state == 'scheduled' then total = jobs_scheduled(q) end
  return total, looked, left, left > 0 and cursor or ''
end
