--: include core wake damaged outcome/dead withdraw workers/hands flow/and_leaving
-- Somebody cancels jobs. What no worker has in hand is dead at once; the rest is marked: its daemon is told
-- (cancels.lua), and whoever puts the job back makes it dead instead. Of a job that succeeds first, it is a success.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- then job ids, each alone or "id worker": who is believed to have it, which saves asking all of them
-- Returns for each id: 1 cancelled | 2 cancelling: a worker has it | 0 finished: it is over | -1 unknown: no such job
-- | 3 moving: it is on its way to another queue; then "leaving", see rules/flow/and_leaving.lua
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local members, places, reply = {}, {}, {}
allow_when_full(q)

local function is_over(id) return redis.call('ZSCORE', q .. 'dead', id) or redis.call('ZSCORE', q .. 'kept', id) end

-- A member of an active set is "id attempt".
local function mark(worker, member)
  redis.pcall('HSETNX', q .. 'job:' .. string.match(member, '%S+'), 'cancel', now)
  redis.call('ZADD', q .. 'cancels', 0, worker .. ' ' .. member)
  redis.pcall('HDEL', q .. 'meta', 'served')  -- who settles it must see that
  return 2
end

for i = 2, #ARGV do
  local id, holder = string.match(ARGV[i], '^(%S+) ?(%S*)$')
  reply[i - 1] = -1
  if is_over(id) then
    reply[i - 1] = 0
  elseif redis.call('ZSCORE', q .. 'transfers', id) then
    reply[i - 1] = 3
  elseif withdraw(q, now, id) then
    if redis.call('EXISTS', q .. 'job:' .. id) == 1 then
      unless_damaged(q, now, id, function() end_cancelled(q, now, id) end)
      reply[i - 1] = 1
    end
  else
    local member = member_in_hand(id, redis.pcall('HGET', q .. 'job:' .. id, 'attempt'))
    if redis.call('ZSCORE', q .. 'active:' .. holder, member) then
      reply[i - 1] = mark(holder, member)
    else
      members[#members + 1], places[#places + 1] = member, i - 1
    end
  end
end

if #members > 0 then
  local sought = #members
  look_at_hands(q, function(worker, hand)
    for n, rank in ipairs(redis.call('ZMSCORE', hand, unpack(members))) do
      if rank then reply[places[n]], sought = mark(worker, members[n]), sought - 1 end
    end
    return sought == 0
  end)
end
update_wake(q)
return and_leaving(q, reply)
