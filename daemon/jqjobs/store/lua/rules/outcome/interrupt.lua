--: include options outcome/give_back outcome/dead
-- A worker had to stop while a job ran. Counts the interrupt.
-- Gives: interrupt

local MAX_INTERRUPTS = 20

local function interrupt(q, now, id, rank)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'forgiven', 'key')
  local interrupts = redis.call('HINCRBY', job, 'interrupts', 1) - forgiven(f[1], 3)
  redis.call('HINCRBY', job, 'executions', 1)
  if interrupts >= MAX_INTERRUPTS then return die(q, now, id, 'interrupted', f[2]) end
  give_back(q, id, rank)
end
