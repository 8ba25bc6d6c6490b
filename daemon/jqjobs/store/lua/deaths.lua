--: include core
-- Hands out dead jobs whose hooks nobody has called: they crashed, were killed, expired, or nobody answered.
-- Each is handed out once. What was retried or forgotten meanwhile is dropped; of what is on its way to another queue
-- nobody is told before it is there, or back.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   ARGV[2] at most, and half a MiB of payloads
-- then the job names the caller has hooks for
-- Returns flat, eight items a job: id, name, payload, attempt, failures, reason, error, the attempt that nobody has
--   cleaned up after; absent ones are nil
-- First write: ZREM, passes when Redis is full
local MOST_BYTES = 524288
local q, most, bytes = prefix(KEYS[1]), tonumber(ARGV[2]), 0
local mine, reply = {}, {}
for i = 3, #ARGV do mine[ARGV[i]] = true end
allow_when_full(q)
for _, member in ipairs(redis.call('ZRANGE', q .. 'hooks', 0, -1)) do
  local id, name = string.match(member, '(%S+) (%S+)')
  if mine[name] and not redis.call('ZSCORE', q .. 'transfers', id) then
    redis.call('ZREM', q .. 'hooks', member)
    if redis.call('ZSCORE', q .. 'dead', id) then
      local job = q .. 'job:' .. id
      local f = redis.pcall('HMGET', job, 'payload', 'attempt', 'failures', 'reason', 'error', 'uncleaned')
      if f[6] then redis.call('HDEL', job, 'uncleaned') end
      local n = #reply
      reply[n + 1], reply[n + 2] = id, name
      for i = 1, 6 do reply[n + 2 + i] = f[i] or false end
      most, bytes = most - 1, bytes + #(f[1] or '')
      if most == 0 or bytes > MOST_BYTES then break end
    end
  end
end
return reply
