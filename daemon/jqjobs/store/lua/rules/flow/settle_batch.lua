--: include queue_name flow/begin flow/outgoing
-- A batch is over, in the queue that is its home, when it is closed and none of its members is open; what it calls for
-- begins when that is seen, each once.
-- Gives: settle_batch

local function finish(q, now, id, ended)
  local batch = q .. 'batch:' .. id
  local keep = redis.call('HGET', batch, 'keep')
  redis.call('HSET', batch, 'over', ended, 'finished', now)
  if ended ~= 'cancelled' then redis.call('UNLINK', batch .. ':seen', batch .. ':open') end
  redis.call('ZADD', q .. 'batches', now + keep, id)
end

-- kind: "then" or "always". It is told how many have ended how, as what came before it; not after a list in a chain.
-- What is rejected the batch says, for people.
local function call_back(q, now, id, kind, dead)
  local f = redis.call('HMGET', q .. 'batch:' .. id, kind, 'succeeded', 'opened')
  if not f[1] or f[1] == '' then return end
  local caller, previous = queue_of(q) .. '/' .. id, nil
  if string.sub(f[3], 1, 5) ~= 'chain' then
    previous = string.format('{"batch":"%s","succeeded":%s,"dead":%d}', caller, f[2] or 0, dead)
  end
  local has_begun = begin_steps(q, now, id .. '.' .. kind, 1, f[1], nil, previous, caller)
  if not has_begun then redis.call('HSET', q .. 'batch:' .. id, kind .. '_rejected', now) end
end

-- Members are to be cancelled, in whichever queues they are: who takes notices along sees to it, and daemons do not
-- wait until that is overdue, since of many members it is only begun. What has come, or gone on, meanwhile is a notice
-- of its own: whoever has cancelled all that was there before may take only the other one away.
local function have_members_cancelled(q, id, sweep, has_come)
  if has_come then sweep = redis.call('HINCRBY', q .. 'batch:' .. id, 'sweep', 1) end
  local is_new = redis.call('ZADD', q .. 'notices', 'NX', 0, '~cancel ' .. id .. ' ' .. (sweep or 0)) == 1
  outgoing[q] = outgoing[q] or is_new  -- else somebody is at it
end

-- Something has changed: is it over, and what is to be called? has_come: a member has come, or goes on.
local function settle_batch(q, now, id, has_come)
  local batch = q .. 'batch:' .. id
  local f = redis.call('HMGET', batch, 'opened', 'expected', 'total', 'on_dead', 'always_ran', 'cancelled', 'failed',
    'over', 'sweep')
  if not f[1] then return end
  local open, dead = redis.call('SCARD', batch .. ':open'), redis.call('SCARD', batch .. ':dead')
  local is_cancelled = f[6] or (f[4] == 'cancel' and dead > 0)
  if is_cancelled and open > 0 then have_members_cancelled(q, id, f[9], has_come) end
  if f[8] or not f[2] or (tonumber(f[3]) or 0) < tonumber(f[2]) or open > 0 then return end
  if not f[5] then
    redis.call('HSET', batch, 'always_ran', now)
    call_back(q, now, id, 'always', dead)
  end
  if f[6] then return finish(q, now, id, 'cancelled') end
  if f[4] ~= 'go' and (f[7] or is_cancelled) then return finish(q, now, id, 'failed') end
  if dead > 0 and f[4] ~= 'go' then return end
  finish(q, now, id, 'succeeded')
  call_back(q, now, id, 'then', dead)
end
