--: include trip/nothing
-- One trip of a worker: settle what it finished, promote what is due, reap who is gone, take what is ready.
-- KEYS[i]  meta key of each queue the worker serves, in its order (at most 32)
-- ARGV[1]  now, ms, or ""          ARGV[2] worker id      ARGV[3] trip number, only ever growing
-- ARGV[4]  want, 0 to 500          ARGV[5] lease, ms
-- ARGV[6]  words: "resync" after a connection error, "settled" to hear what became of the other outcomes, "free N" when
--          N jobs more than it has in hand could start at once, "soon N" when N will have in a moment, "suspects N S":
--          N suspects of scope S or narrower (jobs/blame.py), "others": it has some of other queues, "wake": wake trip
-- then for each queue: number of plain successes, their ids, what it has in hand ("id attempt …", resync only), number
-- of other outcomes, and for each of those: kind, id, attempt, number, text, line, taken (rules/trip/outcomes.lua)
-- Returns { status, now, wait, more, plain, { inboxes, stale, lost, jobs, broken, tailed, settled } or nil: all empty }
--   status  0 ok | 1 FENCED: no lease in some queue | 2 LATE: this trip or a later one was seen | 4 NOTHING there
--   wait    ms until this worker should come back, or -1     more  1: moved aside, or left for the next
--   inboxes, tailed  indexes: with raw envelopes; listened to   stale, lost  ids: settled too late; no longer in hand
--   plain   jobs of before the others (see take_plain.lua)   jobs  flat, six items a job (see rules/trip/take.lua)
--   broken  flat: index of a queue not served, the error     settled  flat: id, state or "gone", why it is dead; or nil
-- First write: ZREM, or ZREMRANGEBYRANK of what is settled: passes when Redis is full; none unless the status is 0
if string.find(ARGV[6], 'wake') and has_nothing(KEYS) then return { 4, 0 } end
--: include core trip/standing trip/settle_plain trip/serve trip/watch trip/read_plain
local now, now_text = clock(ARGV[1])
local worker, trip, want, resyncing = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), string.find(ARGV[6], 'resync')
local queues, taken, settled, standing, rules = {}, {}, string.find(ARGV[6], 'settled') and {} or nil
for i, key in ipairs(KEYS) do
  queues[i], standing, taken[i] = prefix(key), standing_in(prefix(key), worker, trip)
  if standing > 0 then return { standing, now } end
end
local function rare()  -- built when a trip meets what is not plain: that costs as much as all its commands
  if rules then return rules end
  --: include mend trip/settle due workers/expired_leases trip/take trip/take_suspects
  rules = { mend = mend, settle = settle_others, promote = promote, reap = reap, take = take, suspects = take_suspects }
  return rules
end

local stale, lost, at, quiet, is_quiet, lacks = {}, {}, 7, {}, true, false
local function settle(i, q, active, done)
  if done > 0 then settle_plain(q, now, active, at + 1, done, stale, quiet[i]) else allow_when_full(q) end
  redis.call('SET', q .. 'trip:' .. worker, ARGV[3] .. ' ' .. (want > 0 and now_text or taken[i]), 'KEEPTTL')
  if resyncing or ARGV[at + done + 2] ~= '0' then
    quiet[i], lacks = false, rare().settle(q, now, active, taken[i], at + done + 1, resyncing, stale, lost, settled)
  end
end
for i, q in ipairs(queues) do
  local active, done = q .. 'active:' .. worker, tonumber(ARGV[at])
  quiet[i] = redis.call('EXISTS', q .. 'cancels', q .. 'inbox', q .. 'scheduled', q .. 'suspects') == 0
  if not pcall(settle, i, q, active, done) then
    rare().mend(q, { ['active:' .. worker] = 'zset' })
    settle(i, q, active, done)
  end
  at, is_quiet = at + done + 3 + 7 * tonumber(ARGV[at + done + 2]), is_quiet and quiet[i]
end
local t = { now = now, worker = worker, lease = tonumber(ARGV[5]), queues = queues, quiet = quiet, rare = rare,
  trip = trip, want = want, asked = want, room = MOST_TAKE_BYTES, words = ARGV[6], stop = false, more = 0,
  plain = {}, jobs = {}, inboxes = {}, tailed = {}, broken = {}, watches = {}, moments = {} }
t.suspects, t.scope = string.match(ARGV[6], 'suspects (%d+) (%d)')
if want > 0 and t.suspects and not is_quiet then rare().suspects(t) end
serve_all(t)
local wait = watch_queues(t, t.want > 0 and #t.plain + #t.jobs == 0 and not lacks)
local rest = (settled or #t.inboxes + #stale + #lost + #t.jobs + #t.broken + #t.tailed > 0)
  and { t.inboxes, stale, lost, t.jobs, t.broken, t.tailed, settled }
return { 0, now, wait, t.more, #t.plain > 0 and t.plain, rest }
