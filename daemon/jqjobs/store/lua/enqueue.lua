-- Stores new jobs of one queue.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or "" for Redis TIME
-- ARGV[2] number of jobs, then for each run of jobs that differ in id and payload only: how many, name, number of
-- words; those: names and values of priority, due ("+ms" from now, "ms" absolute), key (coalescing), replace (what has
-- that key, not started), and fields to be stored as they are (expires as "+ms" from now); then id and payload of each
-- Returns for each job not created: number, from 1; 0, or 2: replaced; the id for it; or QUEUEFULL or REPARTITIONED
-- First write: HINCRBY, or ZADD of a turn; refused when Redis is full
local call, q, now, total = redis.call, string.sub(KEYS[1], 1, -5), ARGV[1], ARGV[2]
local time = now == '' and call('TIME')
if time then now = time[1] .. string.sub('00000' .. time[2], -6, -4) end
if total == '1' and ARGV[5] == '0' then
  --: include arrival/plain
  if add_plain(q, now, ARGV[4], ARGV[6], ARGV[7]) then return {} end
end
--: include ranks arrival/said
if total == '1' then
  --: include arrival/alone
  if add_alone(q, now, tonumber(ARGV[5])) then return {} end
end
local turns, settings = q .. 'turns', q .. 'settings'
local there = call('EXISTS', q .. 'wake', turns, turns, settings, settings, settings, settings)
if there > 3 then
  --: include arrival/new_in_call
  local full = refuse_too_many(q, tonumber(total))
  if full then return full end
end
local sequence = call('HINCRBY', q .. 'meta', 'seq', total) - total
--: include arrival/runs
local function rare()  -- for jobs of which more is said: to build it takes as long as many commands
  --: include arrival/add arrival/words
  return { read_words = read_words, add = add }
end
local reply = add_runs(q, now, sequence, there % 4 > 1, rare)
if there % 2 == 0 then call('ZADD', q .. 'wake', 0, '1') end
return reply
