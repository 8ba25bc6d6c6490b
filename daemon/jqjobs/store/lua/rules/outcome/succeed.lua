--: include coalescing_key outcome/over outcome/succeeded flow/ended
-- An attempt succeeded.
-- Gives: succeed

-- keep: ms that record and result stay, nil: not at all. result: also of a job that is not kept, for what comes after
-- it. missing: why there is no result.
local function succeed(q, now, id, key, keep, result, missing)
  local flow = redis.call('HGET', q .. 'job:' .. id, 'flow')
  if flow then flow_succeeds(q, now, id, flow, not missing and result, keep) end
  if not keep then
    note_successes(q, { id })
    return forget(q, id, key)
  end
  local job = q .. 'job:' .. id
  free_key(q, id, key)
  local f = redis.call('HMGET', job, 'executions', 'awaited', 'cancel')
  redis.call('HSET', job, 'executions', (tonumber(f[1]) or 0) + 1, 'finished', now,
    missing and 'result_missing' or 'result', missing or result)
  redis.call('ZADD', q .. 'kept', now + keep, id)
  if f[2] or f[3] then redis.call('HDEL', job, 'awaited', 'cancel') end
  if f[2] then announce(q, id) end
end
