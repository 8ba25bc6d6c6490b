--: include in_hand
-- A job leaves a worker's hands. Each outcome expects that this has been done, and puts the job into exactly one
-- other state.
-- Gives: note_attempt

-- Other than by plain success: only now its attempt is written. taken: when its batch was taken, ms, as text or "".
-- Returns its limits, whose places are free once it is clear where it goes, whether somebody has cancelled it, and
-- which earlier attempt nobody has cleaned up after.
local function note_attempt(q, active, id, attempt, taken)
  redis.call('HSET', q .. 'job:' .. id, 'attempt', attempt, 'taken', taken)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'limits', 'cancel', 'uncleaned')
  if f[2] then unmark_cancel(q, active, id .. ' ' .. attempt) end
  return f[1], f[2], f[3]
end
