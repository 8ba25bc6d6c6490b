-- Turns of a worker end, and others begin: in those queues of a pattern that call and have had least, whoever served
-- them. A turn is charged when it begins, and put right when it ends.
-- KEYS[1] jq:{~}:wakes:<pattern>   KEYS[2] jq:{~}:served:<pattern>   ARGV[1] now (not used)
-- ARGV[2] so many turns begin at most   ARGV[3] jobs of a turn
-- then for each turn that ends, or that somebody took before: queue, jobs to be charged, less than 0: it had fewer;
-- "1": it calls again, "0": it does not, "": it does as before
-- Returns how many call and have to wait, and the names of queues
-- First write: ZREM, passes when Redis is full
local WAKES_TTL_MS, FORGET_JOBS = 3600000, 10000
local wakes, served, most = KEYS[1], KEYS[2], tonumber(ARGV[2])
redis.call('ZREM', wakes, '')
local reached = tonumber(redis.call('ZSCORE', served, '') or 0)
local function charge(queue, jobs)
  local had = tonumber(redis.call('ZSCORE', served, queue) or reached) + jobs
  redis.call('ZADD', served, had, queue)
  return had
end
for n = 4, #ARGV, 3 do
  local queue, calls = ARGV[n], ARGV[n + 2]
  local had = charge(queue, tonumber(ARGV[n + 1]))
  if calls == '1' then
    redis.call('ZADD', wakes, had, queue)
  elseif calls == '0' then
    redis.call('ZREM', wakes, queue)
    if had <= reached then redis.call('ZREM', served, queue) end
  end
end
local waiting, names = redis.call('ZCARD', wakes), {}
local called = most > 0 and redis.call('ZRANGE', wakes, 0, most - 1, 'WITHSCORES') or {}
for n = 1, #called, 2 do
  local queue = called[n]
  reached = math.max(reached, tonumber(called[n + 1]))
  local had = charge(queue, tonumber(ARGV[3]))
  names[#names + 1] = queue
  -- While others wait it goes on to call: if this worker is slow, or has a long job, another one comes in its turn.
  if #called < 2 * waiting then redis.call('ZADD', wakes, had, queue) else redis.call('ZREM', wakes, queue) end
end
if #names > 0 then
  redis.call('ZADD', served, reached, '')
  redis.call('ZREMRANGEBYSCORE', served, '-inf', reached - FORGET_JOBS)
end
redis.call('PEXPIRE', wakes, WAKES_TTL_MS)
redis.call('PEXPIRE', served, WAKES_TTL_MS)
return { math.max(0, waiting - #names), unpack(names) }
