--: include core wake damaged due
-- A person does not wait: scheduled jobs are due now, retries and those put off among them. They keep an old place.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   then job ids
-- Returns for each id: 1 ready, or among suspects | 0 not scheduled
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)
local reply = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  reply[i - 1] = redis.call('ZREM', q .. 'scheduled', id)
  if reply[i - 1] == 1 then
    unless_damaged(q, now, id, function()
      make_ready(q, id)
      if redis.call('EXISTS', q .. 'job:' .. id) == 1 then redis.call('HSET', q .. 'job:' .. id, 'due', now) end
    end)
  end
end
update_wake(q)
return reply
