--: include core wake mend moving/arrive
-- Jobs come from another queue, each once. What was answered is remembered for as long as anybody may bring it again:
-- what was refused, and is where it was, must not come when its place is free.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] when they were read there (transfers.lua), ms
-- ARGV[3] the other queue   then for each job: id, token, state, score, 1 if it has its key, number of the words of its
-- fields, those, number of lines of its history, those
-- Returns for each job: 1 delivered | 0 id_taken | -1 key_taken, each now or before | 2 late: read too long ago, or
-- it could not come | 3 elsewhere: it is for a partition (rules/partitions.lua)
-- First write: ZREM, passes when Redis is full; none when it is late
local MOST_MS = 30000
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local is_late = math.abs(now - tonumber(ARGV[2])) > MOST_MS
local reply, at = {}, 4
if not is_late then
  redis.pcall('ZREM', q .. 'leases', '')  -- the first write, see rules/core.lua
  mend(q)  -- what came must not be lost between damaged keys
end

local function words()
  local found, n = {}, tonumber(ARGV[at])
  for i = 1, n do found[i] = ARGV[at + i] end
  at = at + n + 1
  return found
end

-- One that cannot come does not stand in the way of those behind it.
local has_any_come, problem = is_late, nil
local function bring(job)
  if is_late then return 2 end
  local fine, answer = pcall(arrive, q, now, job)
  if not fine then
    problem = answer
    return 2
  end
  has_any_come = true
  return answer
end

while ARGV[at] do
  local job = { id = ARGV[at], token = ARGV[3] .. ' ' .. ARGV[at + 1], state = ARGV[at + 2], score = ARGV[at + 3],
    has_key = ARGV[at + 4] == '1' }
  at = at + 5
  job.fields, job.history = words(), words()
  reply[#reply + 1] = bring(job)
end
if problem and not has_any_come then error(problem, 0) end
if not is_late then update_wake(q) end
return reply
