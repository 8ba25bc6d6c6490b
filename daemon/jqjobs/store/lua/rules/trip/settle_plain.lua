--: include totals in_hand outcome/succeeded trip/leave_active
-- The way of most jobs, its end: a name and a payload, taken for the first time, done, gone. A trip that meets nothing
-- else does without most other rules (exchange.lua).
-- The attempt is part of the member in the active set, and is written to the job only when that goes back
-- or fails: a job that succeeds at once has no write of its own here.
-- Gives: settle_plain

-- Successes of first attempts whose result nobody asked for, without a key or limits. Its first write is
-- one that is allowed when Redis is full.
local function settle_plain(q, now, active, at, n, stale, quiet)
  local ids, left = leave_active(active, at, n, stale)
  if left == 0 then return end
  if not quiet and redis.call('EXISTS', q .. 'cancels') == 1 then
    for _, id in ipairs(ids) do unmark_cancel(q, active, id .. ' 1') end
  end
  note_successes(q, ids)
  local job = q .. 'job:'
  for i, id in ipairs(ids) do ids[i] = job .. id end
  count(q, now, 'done', left)
  redis.call('DEL', unpack(ids))
end
