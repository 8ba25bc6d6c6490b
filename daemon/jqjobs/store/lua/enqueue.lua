-- Stores new jobs of one queue.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or "" for Redis TIME
-- ARGV[2] number of jobs, then for each run of jobs that differ in id and payload only: how many, name, number of
-- words; those: names and values of priority, due ("+ms" from now, "ms" absolute), key (coalescing), replace (what has
-- that key, not started), and fields to be stored as they are (expires as "+ms" from now); then id and payload of each
-- Returns for each job not created: its number, from 1; 0, or 2: replaced; the id that stands for it; or QUEUEFULL
-- First write: HINCRBY, refused when Redis is full
local call, q, now, total = redis.call, string.sub(KEYS[1], 1, -5), ARGV[1], ARGV[2]
local time = now == '' and call('TIME')
if time then now = time[1] .. string.sub('00000' .. time[2], -6, -4) end
if total == '1' and ARGV[5] == '0' then
  --: include arrival/plain
  if add_plain(q, now, ARGV[4], ARGV[6], ARGV[7]) then return {} end
end
local turns, settings = q .. 'turns', q .. 'settings'
local there = call('EXISTS', q .. 'wake', turns, turns, settings, settings, settings, settings)
local has_groups = there % 4 > 1
if there > 3 then
  --: include arrival/new_in_call
  local full = refuse_too_many(q, tonumber(total))
  if full then return full end
end
local sequence = call('HINCRBY', q .. 'meta', 'seq', total) - total
--: include arrival/ready
local function rare()  -- for jobs of which more is said: to build it takes as long as two commands
  --: include turns/turn arrival/add arrival/words
  has_turns[q] = has_groups
  return { read_words = read_words, add = add, write_turns = write_turns, begun = {}, now = tonumber(now) }
end

local rules, reply, ready, number, at, job = nil, {}, {}, 0, 3, q .. 'job:'
while ARGV[at] do
  local last, name, words, more = number + ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), nil
  at = at + 3
  if words > 0 or has_groups then
    rules = rules or rare()
    more, at = rules.read_words(at, words, now), at + words
    if more.fair and not rules.begun[more.priority or 0] then  -- turns that begin look at all that waits
      rules.begun[more.priority or 0], has_groups, ready = true, true, write_ready(q, ready)
    end
  end
  while number < last do
    local id, payload, made = ARGV[at], ARGV[at + 1], 1
    number, at = number + 1, at + 2
    if more then
      more.id, more.payload = id, payload
      made, id = rules.add(q, rules.now, sequence + number, more, ready)
    elseif call('EXISTS', job .. id) == 1 then
      made = 0
    else
      call('HSET', job .. id, 'name', name, 'payload', payload, 'enqueued', now)
      ready[#ready + 1], ready[#ready + 2] = sequence + number, id
    end
    if made ~= 1 then reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = number, made, id end
  end
end
write_ready(q, ready)
if has_groups then rules.write_turns(q) end
if there % 2 == 0 then call('ZADD', q .. 'wake', 0, '1') end
return reply
