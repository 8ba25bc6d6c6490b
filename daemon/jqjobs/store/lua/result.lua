--: include core
-- Says how one job ended, to somebody who waits for it. While it has not ended, the job notes that it is
-- awaited; so its end is published on the channel <queue>over:<id> (rules/outcome/over.lua), and costs others nothing.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] job id
-- Returns { 0 } there is nothing of it | { 1 } it has not ended, and is awaited now
--         | { 2, result or nil, why there is none or nil } it succeeded and is kept
--         | { 3, reason, error or nil } it is dead
--         | { 4, queue } it was moved there
-- First write: ZREM, passes when Redis is full
local q, id = prefix(KEYS[1]), ARGV[2]
local job = q .. 'job:' .. id
allow_when_full(q)
if redis.call('EXISTS', job) == 0 then return { 0 } end
local target = redis.call('HGET', job, 'moved')
if target then return { 4, target } end
if redis.call('ZSCORE', q .. 'kept', id) then
  local f = redis.call('HMGET', job, 'result', 'result_missing')
  return { 2, f[1], f[2] }
end
if redis.call('ZSCORE', q .. 'dead', id) then
  local f = redis.call('HMGET', job, 'reason', 'error')
  return { 3, f[1] or '', f[2] }
end
redis.call('HSET', job, 'awaited', 1)
return { 1 }
