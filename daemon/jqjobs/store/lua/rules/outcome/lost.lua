--: include statistics scheduled outcome/history outcome/give_back outcome/dead outcome/unreported_delay
-- A lease ran out with the job in hand. That proves no death: frozen, cut off, or the whole host is gone. It is free;
-- but what is lost again and again may be what freezes or kills its hosts, so it waits, alone on its host.
-- Gives: lose

local MOST_LOST = 20

local function lose(q, now, id, rank, cause, worker)
  local job = q .. 'job:' .. id
  local f = redis.call('HMGET', job, 'attempt', 'taken', 'key')
  local lost = redis.call('HINCRBY', job, 'lost', 1)  -- in a row: an attempt that ends otherwise begins anew
  redis.call('HINCRBY', job, 'executions', 1)
  redis.call('HSET', job, 'error', cause)
  count_unreported(q, now, id, 'interrupted')
  log_attempt(q, id, history_line(now, 'lost', cause, worker, f[1], f[2]))
  if lost >= MOST_LOST then return die(q, now, id, 'lost', f[3]) end
  if lost == 1 then return give_back(q, id, rank) end
  redis.call('HSET', job, 'suspect', '1 3')
  put_off(q, id, rank, now + growing(LOST_MS, lost - 1, 1))
end
