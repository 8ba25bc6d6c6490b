--: include flow/settle_batch
-- Which members of a batch are open, and which are dead, as sets. What is told late, twice or in another order changes
-- nothing: each member numbers what is told of it.
-- Gives: change_batch

local UNOPENED_MS = 604800000  -- so long is remembered what is told of a batch that nobody has opened

local function note_place(batch, member, what, at)
  if at ~= '' then redis.call('HSET', batch .. ':at', member, at) end
  if what == 'done' or what == 'gone' then redis.call('HDEL', batch .. ':at', member) end
end

-- A batch that was cancelled is over, and hears of a member only now: that is cancelled too. One that a person retries,
-- known to be dead, goes on.
local function cancel_late(q, now, id, member, seen, what, more)
  local batch = q .. 'batch:' .. id
  local was_open = redis.call('SREM', batch .. ':open', member) == 1
  local was_dead = redis.call('SREM', batch .. ':dead', member) == 1
  if was_dead then redis.call('SADD', batch .. ':dead', member) end
  if what == 'add' or what == 'again' and (was_open or not (seen or was_dead)) then
    redis.call('SADD', batch .. ':open', member)
    note_place(batch, member, what, more.place)
    settle_batch(q, now, id, true)
  end
end

-- number: of what is told of this member, growing; what: add | again | dead | done | kept | gone.
-- more: place: "queue/id" where it is, "" when that is known; is_inner: another member has added it, and whoever closes
-- the batch does not count it; in_order: it is told as it happens; only of a member that came from another queue
-- something that was before may be told later.
local function change_batch(q, now, id, member, number, what, more)
  local batch = q .. 'batch:' .. id
  if redis.call('HSETNX', batch, 'created', now) == 1 then redis.call('ZADD', q .. 'batches', now + UNOPENED_MS, id) end
  local over = redis.call('HGET', batch, 'over')
  if over and over ~= 'cancelled' then return end
  local seen = tonumber(redis.call('HGET', batch .. ':seen', member) or nil)
  if seen and seen >= number then return end
  if over then
    redis.call('HSET', batch .. ':seen', member, number)
    return cancel_late(q, now, id, member, seen, what, more)
  end
  local was_there = redis.call('SREM', batch .. ':open', member) + redis.call('SREM', batch .. ':dead', member) > 0
  if not more.in_order or number > 2 or number == 2 and not was_there then
    redis.call('HSET', batch .. ':seen', member, number)
  end
  if not (seen or was_there or more.is_inner) then redis.call('HINCRBY', batch, 'total', 1) end
  if what == 'add' or what == 'again' then redis.call('SADD', batch .. ':open', member) end
  if what == 'dead' then redis.call('SADD', batch .. ':dead', member) end
  if what == 'done' or what == 'kept' then redis.call('HINCRBY', batch, 'succeeded', 1) end
  if what == 'kept' then redis.call('SADD', batch .. ':kept', member) end
  if what == 'gone' then redis.call('HSET', batch, 'failed', now) end
  note_place(batch, member, what, more.place)
  settle_batch(q, now, id, what == 'add' or what == 'again')
end
