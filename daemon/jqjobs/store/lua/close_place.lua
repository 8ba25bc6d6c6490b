--: include core coalescing_key partitions
-- Which of some jobs are here already, in a place that takes no new ones: from now on none, from nobody.
-- KEYS[1] the place's meta key   ARGV[1] now (not used)   ARGV[2] the partitions that its queue has
-- then for each job its id, and its coalescing key or ""
-- Returns for each 1: its id or its key is here, else 0
-- First write: HSET, refused when Redis is full; none when it takes no new ones already
local q, reply = prefix(KEYS[1]), {}
if not partitions_of(q) then redis.call('HSET', q .. 'settings', 'partitions', ARGV[2]) end
for i = 3, #ARGV, 2 do
  local key = ARGV[i + 1] ~= '' and ARGV[i + 1] or nil
  local is_here = redis.call('EXISTS', q .. 'job:' .. ARGV[i]) == 1 or holder_of(q, key)
  reply[#reply + 1] = is_here and 1 or 0
end
return reply
