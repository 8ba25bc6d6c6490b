--: include core wake flow/members flow/outgoing
-- Notices arrive in the home of their batches. Late, twice or in another order is harmless.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   then notices, see notices.lua
-- Returns 1 if something is to be taken on from here, else 0
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)
for i = 2, #ARGV do
  local inner, id, member, number, what, at = string.match(ARGV[i],
    '^(%+?)[^/ ]+/(%S+) (%S+) (%d+) (%a+)@?(%S*)$')
  local more = { place = at, is_inner = inner == '+', in_order = false }
  -- Of a damaged batch there is nothing to be told; others hear what they are to hear.
  if id then pcall(change_batch, q, now, id, member, tonumber(number), what, more) end
end
update_wake(q)
return outgoing[q] and 1 or 0
