--: include core scheduled search/position search/selector search/row
-- Looks for jobs of one queue in one state, a page at a time: it ends when the page is full, or when it has looked at
-- enough. Jobs that come and go between two pages are no reason to miss one that stays, or to see it twice.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] what is wanted, JSON (jobs/selector.py)
-- ARGV[3] cursor of the page before, "#n" to pass over the first n, or ""   ARGV[4] at most so many jobs
-- Returns flat: now, jobs in that state, looked at, members left to look at, cursor or "" at the end, then
-- fifteen items a job (rules/search/row.lua)
-- First write: none
local MOST_READ, MOST_BYTES, CHUNK = 300, 1048576, 100
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local wanted, cursor, most = cjson.decode(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local state, matches, first, last = wanted.state, matcher(now, wanted), first_and_last(now, wanted)
local score_before, worker_before, member_before = string.match(cursor, '^(%S+) (%S*) (.+)$')
local passed_over = tonumber(string.match(cursor, '^#(%d+)$')) or 0
local total, looked, left, read, rows, bytes = 0, 0, 0, 0, 0, 0
local reply = { now, 0, 0, 0, '' }

local function is_enough() return rows >= most or read >= MOST_READ or bytes >= MOST_BYTES end

-- A member of an active set is "id attempt"; one that begins with "~" is the timer of a limit, no job.
local function look_at(member, score, worker)
  read, cursor = read + 1, score .. ' ' .. worker .. ' ' .. member
  if string.sub(member, 1, 1) == '~' then return end
  local id, attempt = string.match(member, '(%S+) ?(%S*)')
  local job, fine, size = q .. 'job:' .. id, true, 0
  if matches then fine, size = matches(job) end
  looked, bytes = looked + 1, bytes + size
  if not fine then return end
  rows = rows + 1
  add_row(reply, job, id, attempt, score, worker)
end

local function look_through(key, upto, worker, goes_on)
  local at = goes_on and position_after(key, score_before, member_before) or passed_over
  if has_moments[state] then
    if first then at = math.max(at, redis.call('ZCOUNT', key, '-inf', '(' .. digits(first))) end
    if last then upto = redis.call('ZCOUNT', key, '-inf', digits(last)) end
  end
  while at < upto and not is_enough() do
    local found = redis.call('ZRANGE', key, at, math.min(upto, at + CHUNK) - 1, 'WITHSCORES')
    for i = 1, #found, 2 do
      look_at(found[i], found[i + 1], worker)
      at = at + 1
      if is_enough() then break end
    end
  end
  left = left + math.max(0, upto - at)
end

local workers = state == 'active' and redis.call('ZRANGE', q .. 'leases', 0, 4999) or { '' }
table.sort(workers)  -- by name: their leases change places all the time
for _, worker in ipairs(workers) do
  local key = q .. (state == 'moving' and 'transfers' or state) .. (state == 'active' and ':' .. worker or '')
  local size = redis.call('ZCARD', key)
  total = total + size
  if not worker_before or worker >= worker_before then look_through(key, size, worker, worker == worker_before) end
end
if state == 'scheduled' then total = jobs_scheduled(q) end
reply[2], reply[3], reply[4], reply[5] = total, looked, left, left > 0 and cursor or ''
return reply
