--: include core wake mend moving/depart
-- A person moves jobs to another queue: they leave this one, and lie in `transfers` until that one has them
-- (transfers.lua, deliver.lua, delivered.lua). No script needs both queues.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] the other queue
-- then job ids, each alone or "id state score": its place as somebody has seen it
-- Returns for each id: 1 moving | 2 moving already | 0 stays: in hand, waiting for an answer, kept, or in another place
-- | -1 unknown
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
redis.pcall('ZREM', q .. 'leases', '')  -- the first write, see rules/core.lua
mend(q)  -- what leaves must not be lost between damaged keys

local function move(which)
  local id, state, seen = string.match(which, '^(%S+) ?(%S*) ?(%S*)$')
  if state == 'moving' then state = 'transfers' end
  if seen ~= '' and redis.call('ZSCORE', q .. state, id) ~= seen then return 0 end
  local name = redis.pcall('HGET', q .. 'job:' .. id, 'name')
  if type(name) ~= 'string' then return -1 end
  if redis.call('ZSCORE', q .. 'transfers', id) then return 2 end
  local fine, is_moving = pcall(leave_for, q, now, id, ARGV[2])
  return fine and is_moving and 1 or 0
end

local reply = {}
for i = 3, #ARGV do reply[i - 2] = move(ARGV[i]) end
update_wake(q)
return reply
