-- What goes along with the jobs that a worker has in hand: the members "id attempt" of its active set.
-- Gives: taken_at, unmark_cancel

-- The worker's last trip that took jobs: its time in ms as text, or "".
local function taken_at(trip_value) return string.match(trip_value or '', ' (%d+)') or '' end

-- While a cancelled job is in an active set, `cancels` says so to the daemon of its worker.
local function unmark_cancel(q, active, member)
  local worker = string.sub(active, #q + #'active:' + 1)
  redis.pcall('ZREM', q .. 'cancels', worker .. ' ' .. member)
end
