--: include trip/settle_done trip/settle_simple
-- Records outcomes. A settle counts only while "id attempt" is a member of the worker's active set.
-- Gives: settle_others

local function settle_next(t, q, active, taken, kind, id, attempt, number, text, line, when)
  local is_short = kind == 'done' and number == '1' and line == '' and not t.settled
  if is_short and settle_done(q, id, attempt, text) then return end
  local keep = kind == 'kept' and text == '' and tonumber(number)
  local is_simple = not t.settled and (keep or kind == 'done' and number == '0')
  local since = when ~= '' and when or taken
  if is_simple and settle_simple(q, t.now, active, t.stale, id, attempt, keep, line, since) then return end
  forget_done(q, t.now, active, t.stale)
  local settle = t.rare().settle
  t.lacks = settle(q, t.now, active, taken, t.stale, t.settled, kind, id, attempt, number, text, line, when) or t.lacks
end

-- t: the trip, see serve.lua; lacks: it gave back a job it cannot run. Settles one queue's part of ARGV from `at` on:
-- what the worker has in hand, number of outcomes, the outcomes.
local function settle_others(t, q, active, taken, at)
  for i = at + 2, at + 7 * tonumber(ARGV[at + 1]), 7 do
    settle_next(t, q, active, taken, unpack(ARGV, i, i + 6))
  end
  forget_done(q, t.now, active, t.stale)
  count_simple(q, t.now)
  if t.resyncs then t.rare().resync(q, t.now, active, taken, ARGV[at], t.lost) end
end
