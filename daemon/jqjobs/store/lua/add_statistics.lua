--: include core statistics recent
-- A worker adds what it has counted of its jobs in one queue, by job name, and which of them ended last.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] how many ends follow, at most 100
-- then for each end: when, ms, and "id name outcome run_ms wait_ms" (rules/recent.lua)
-- then for each name: it, the number of its fields, and these, each with by how much it grows
-- Returns how many names the queue has statistics of
-- First write: ZREM, passes when Redis is full
local q, now, at = prefix(KEYS[1]), clock(ARGV[1]), 3 + 2 * tonumber(ARGV[2])
allow_when_full(q)
if at > 3 then add_ends(q, now, { unpack(ARGV, 3, at - 1) }) end
while ARGV[at] do
  local name, fields = counted_name(q, now, ARGV[at]), tonumber(ARGV[at + 1])
  for i = at + 2, at + 1 + 2 * fields, 2 do add_to_statistics(q, now, name, ARGV[i], ARGV[i + 1]) end
  at = at + 2 + 2 * fields
end
return tonumber(redis.call('HGET', q .. 'meta', 'counted') or 0)
