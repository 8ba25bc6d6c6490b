--: include prelude gates add
-- Stores new jobs of one queue. Refused at maxmemory as a whole: its first write is HINCRBY.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or "" for Redis TIME
-- ARGV[2] number of jobs, then for each job:
--         id, name, payload, priority, due ("" | "+ms" from now | "ms" absolute), coalescing key or "",
--         1 to replace what waits under that key, else 0; number of further field names and values, then
--         those (expires as "+ms" from now)
-- Returns for each job two items: 1 created | 0 not | 2 replaced, and the id that stands for it.
local q, now, jobs = prefix(KEYS[1]), clock(ARGV[1]), tonumber(ARGV[2])
local sequence = redis.call('HINCRBY', q .. 'meta', 'seq', jobs) - jobs
local reply, at = {}, 3
for i = 1, jobs do
  local id, name, payload, priority, due, key, replacing, extra = unpack(ARGV, at, at + 7)
  local fields = { unpack(ARGV, at + 8, at + 7 + tonumber(extra)) }
  at = at + 8 + #fields
  for n = 1, #fields, 2 do
    if fields[n] == 'expires' then fields[n + 1] = now + tonumber(fields[n + 1]) end
  end
  reply[2 * i - 1], reply[2 * i] = add(q, now, sequence + i, { id = id, name = name, payload = payload,
    priority = priority, due = due, fields = fields, key = key ~= '' and key or nil, replace = replacing == '1' })
end
redis.call('ZADD', q .. 'wake', 0, '1')
return reply
