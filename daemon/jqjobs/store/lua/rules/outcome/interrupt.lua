--: include outcome/give_back
-- A worker had to stop while a job ran: it goes back free, however often. Counts the interrupt.
-- Gives: interrupt

local function interrupt(q, now, id, rank)
  local job = q .. 'job:' .. id
  redis.call('HINCRBY', job, 'interrupts', 1)
  redis.call('HINCRBY', job, 'executions', 1)
  give_back(q, id, rank)
end
