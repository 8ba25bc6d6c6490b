--: include core queue_name wake damaged outcome/over outcome/error_groups moving/transfer moving/depart
-- What became of jobs that were on their way: another queue has them, and what is left here for a day says which; or it
-- has not, and they are where they were.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   then for each job: id, token, 1 delivered or 0
-- Returns how many of them were on their way still, under that token
-- First write: ZREM, passes when Redis is full
local FORWARD_MS = 86400000
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local concluded = 0
allow_when_full(q)

-- The field `moved` is all of a forward, and its id is taken: who sends the job again does not get a second one.
local function leave_forward(id, target)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'key', 'awaited', 'group', 'name')
  forget(q, id, f[1])
  if f[3] then uncount_death(q, id, f[3]) end
  redis.pcall('ZREM', q .. 'hooks', id .. ' ' .. (f[4] or ''))
  if target ~= home_of(q) then  -- in a partition of this queue it is looked for anyway
    redis.call('HSET', job, 'moved', target)
    redis.call('PEXPIRE', job, FORWARD_MS)
  end
  if f[2] then announce(q, id) end
end

for i = 2, #ARGV, 3 do
  local id, token, target, state, score = ARGV[i], read_transfer(q, ARGV[i])
  if token and token == ARGV[i + 1] then
    concluded = concluded + 1
    redis.call('ZREM', q .. 'transfers', id)
    if ARGV[i + 2] == '1' then
      leave_forward(id, target)
    else
      redis.call('HDEL', q .. 'job:' .. id, 'moving')
      unless_damaged(q, now, id, function() come_back(q, now, id, state, score) end)
    end
  end
end
update_wake(q)
return concluded
