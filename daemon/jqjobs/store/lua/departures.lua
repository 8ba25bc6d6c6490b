--: include core moving/transfer
-- Which jobs are on their way to another queue, in short: for who looks among them for those that can be brought there.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] only those that left so long ago, ms
-- ARGV[3] how many of the oldest are left out
-- Returns four items for each job: id, target, coalescing key and group, "" where it has none; at most 1,000
-- First write: none
local MOST = 1000
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local reply = {}
for _, id in ipairs(gone_since(q, now, tonumber(ARGV[2]), MOST, ARGV[3])) do
  local f = redis.pcall('HMGET', q .. 'job:' .. id, 'moving', 'key', 'fair')
  local target = string.match(f[1] or '', '^%S+ (%S+) ')
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3], reply[#reply + 4] = id, target or '', f[2] or '', f[3] or ''
end
return reply
