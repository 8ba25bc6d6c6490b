--: include trip/settle_one trip/settle_done trip/outcomes_unrun trip/resync
-- Records outcomes. A settle counts only while "id attempt" is a member of the worker's active set.
-- Gives: settle_others

-- when, settled: see settle_one.
local function settle_next(q, now, active, taken, stale, settled, kind, id, attempt, number, text, line, when)
  local is_short = kind == 'done' and number == '1' and line == '' and not settled
  if is_short and settle_done(q, id, attempt, text) then return end
  forget_done(q, now, active, stale)
  settle_one(q, now, active, taken, stale, settled, kind, id, attempt, number, text, line, when)
end

-- Settles one queue's part of ARGV from `at` on: what the worker has in hand, number of outcomes, the outcomes.
-- Returns whether the worker gave back a job it cannot run.
local function settle_others(q, now, active, taken, at, resyncing, stale, lost, settled)
  for i = at + 2, at + 7 * tonumber(ARGV[at + 1]), 7 do
    settle_next(q, now, active, taken, stale, settled, unpack(ARGV, i, i + 6))
  end
  forget_done(q, now, active, stale)
  if resyncing then resync(q, now, active, taken, ARGV[at], lost) end
  return has_lacked
end
