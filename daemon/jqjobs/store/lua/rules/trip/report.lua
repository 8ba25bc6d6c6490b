--: include core trip/settle_plain
-- What a worker reports in a whole trip to a queue: it is settled, and the trip noted; see exchange.lua.
-- Gives: find_parts, report

-- Sets where the part of each queue begins in ARGV, and which of them report something.
local function find_parts(t)
  local at = 7
  for i = 1, #t.queues do
    local done = tonumber(ARGV[at])
    local others = tonumber(ARGV[at + done + 3])
    t.at[i], t.reports[i], at = at, done + others > 0, at + done + 4 + 7 * others
  end
end

local function settle(t, i, q)
  local at, active = t.at[i], q .. 'active:' .. t.worker
  local done, stale_before = tonumber(ARGV[at]), #t.stale
  if done > 0 then settle_plain(q, t.now, active, at + 1, done, t.stale, t.quiet[i]) else allow_when_full(q) end
  redis.call('SET', q .. 'trip:' .. t.worker, ARGV[3] .. ' ' .. (t.asked > 0 and t.now_text or t.taken[i]), 'KEEPTTL')
  if ARGV[at + done + 1] ~= '' then t.limited().free(t, q, ARGV[at + done + 1], stale_before) end
  if t.resyncs or ARGV[at + done + 3] ~= '0' then
    t.quiet[i] = false
    t.limited().settle(t, q, active, t.taken[i], at + done + 2)
  end
end

local function report(t, i)
  local q = t.queues[i]
  t.quiet[i] = redis.call('EXISTS', q .. 'cancels', q .. 'inbox', q .. 'scheduled', q .. 'suspects') == 0
  if not pcall(settle, t, i, q) then
    t.rare().mend(q, { ['active:' .. t.worker] = 'zset' })
    settle(t, i, q)
  end
end
