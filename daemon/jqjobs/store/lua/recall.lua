--: include core in_hand wake damaged outcome/unrun
-- Gives back what a worker has in hand and will not start: its daemon has told it so on its board, and looked since.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] worker id   then what goes back, each "id attempt"
-- What the worker does not have (any more) is passed over, so late and twice is harmless; what it gives back
-- itself later is stale. Free, in place; a cancelled one is dead.
-- Returns how many went back
-- First write: ZREM, passes when Redis is full
local q, now, worker = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
local active, recalled = q .. 'active:' .. worker, 0
allow_when_full(q)
local taken = taken_at(redis.call('GET', q .. 'trip:' .. worker))
for i = 3, #ARGV do
  local rank = redis.call('ZSCORE', active, ARGV[i])
  if rank then
    local id = string.match(ARGV[i], '%S+')
    redis.call('ZREM', active, ARGV[i])
    unless_damaged(q, now, id, function() leave_unrun(q, now, active, ARGV[i], rank, taken) end)
    recalled = recalled + 1
  end
end
update_wake(q)
return recalled
