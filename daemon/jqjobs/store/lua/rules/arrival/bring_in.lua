--: include arrival/add arrival/envelope_job arrival/place coalescing_key flow/telling moving/send queue_name
-- A job comes in through inbox or outbox. Where its queue has partitions it is on its way to one of these from then on:
-- who takes it there knows to which (store/calls/moves.py).
-- Gives: bring_in

local function spread_refusal(job)
  if job.replace then return 'bad_field: replace does not go through the inbox of a queue with partitions' end
  if job.key and job.fair then return 'bad_field: group does not go with key in a queue with partitions' end
end

-- Returns 1, or 0: its id or its key is here.
local function send_on(q, now, job)
  local record = q .. 'job:' .. job.id
  if redis.call('EXISTS', record) == 1 or job.key and holder_of(q, job.key) then return 0 end
  write_call(record, job, now)
  redis.call('HSET', record, 'attempt', 0, 'spread', 1)
  if job.key then
    redis.call('HSET', record, 'key', job.key)
    redis.call('HSET', q .. 'unique', job.key, job.id)
  end
  if job.batch then name_batch(q, job.id, job.batch) end  -- which hears of it there: it may be there already
  send(q, now, job.id, job, home_of(q))
  return 1
end

-- is_spread: whether its queue has partitions. ready: see add. Returns 1 created, 0 not, 2 replaced; nil and the reason
-- for refusing it.
local function bring_in(q, now, sequence, id, raw, job, is_spread, ready)
  fill_in(q, job)
  job.id, job.payload = id, raw
  if not is_spread then return (add(q, now, sequence, job, ready)) end
  local refused = spread_refusal(job)
  if refused then return nil, refused end
  return send_on(q, now, job)
end
