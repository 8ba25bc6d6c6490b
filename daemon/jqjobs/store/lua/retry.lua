--: include core wake coalescing_key turns/turn outcome/error_groups flow/ended flow/and_leaving
-- A person sends dead jobs back to ready. The counters stay; what they stand at is forgiven, so that
-- each limit starts anew.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- then job ids, each alone or "id score": its score in `dead` as somebody has seen it
-- Returns for each id: 1 ready again | 0 not dead, or since another moment
-- | -1 its coalescing key belongs to another job now; then "leaving", see rules/flow/and_leaving.lua
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)
local function retry(which)
  local id, seen = string.match(which, '^(%S+) ?(%S*)$')
  local job, score = q .. 'job:' .. id, redis.call('ZSCORE', q .. 'dead', id)
  if not score or seen ~= '' and seen ~= score then return 0 end
  local f = redis.call('HMGET', job, 'key', 'failures', 'crashes', 'interrupts', 'priority', 'throttles', 'group',
    'fair')
  local holder = holder_of(q, f[1])
  if holder and holder ~= id then return -1 end
  -- What may be damaged comes first: the job stays dead then.
  local rank = fresh_rank(q, f[5], f[8])
  if f[1] then redis.call('HSET', q .. 'unique', f[1], id) end
  redis.call('ZADD', q .. 'ready', rank, id)
  redis.call('ZREM', q .. 'dead', id)
  redis.call('HSET', job, 'forgiven', table.concat({ f[2] or 0, f[3] or 0, f[4] or 0, f[6] or 0 }, ' '), 'due', now)
  redis.call('HDEL', job, 'reason', 'finished', 'expires', 'rank', 'lost', 'hung', 'snoozes', 'refused', 'group')
  if f[7] then uncount_death(q, id, f[7]) end
  pcall(flow_turns, q, now, id, 'again')
  return 1
end
local reply = {}
for i = 2, #ARGV do
  local fine, answer = pcall(retry, ARGV[i])
  reply[i - 1] = fine and answer or 0  -- a record that is no hash is of no job
end
update_wake(q)
return and_leaving(q, reply)
