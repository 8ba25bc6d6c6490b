--: include core trip/nothing
-- One trip of a worker: settle what it finished, promote what is due, reap who is gone, take what is ready.
-- KEYS[i]  meta key of each queue the worker serves, in its order (at most 32)
-- ARGV[1]  now, ms, or ""          ARGV[2] worker id      ARGV[3] trip number, only ever growing
-- ARGV[4]  want, 0 to 500          ARGV[5] lease, ms
-- ARGV[6]  words: "resync" after a connection error, "settled" to hear what became of the other outcomes, "free N" when
--          N jobs more than it has in hand could start at once, "soon N" when N will have in a moment, "suspects N S":
--          N suspects of scope S or narrower (jobs/blame.py), "others": it has some of other queues, "wake": wake trip,
--          "pass", "early": it need not go to all queues (rules/trip/way.lua)
-- then for each queue: number of plain successes, their ids, their places ("id limit …"), all in hand ("id attempt …",
-- resync only), number of other outcomes, of each: kind, id, attempt, number, text, line, taken (trip/outcomes.lua)
-- Returns { status, now, wait, more, plain, nil or { inboxes, stale, lost, jobs, broken, tailed, leaving, settled } }
--   status  0 ok | 1 FENCED: no lease in some queue | 2 LATE: this trip or a later one was seen | 4 NOTHING there: then
--           comes how many workers there are, and no more
--   wait    ms until this worker should come back, or -1     more  1: moved aside, or left for the next
--   inboxes, tailed, leaving  indexes: with raw envelopes; listened to; something is to be taken to another queue
--   stale, lost  ids: settled too late; no longer in hand
--   plain   jobs of before the others (see move_head.lua)   jobs  flat, six items a job (see rules/trip/take.lua)
--   broken  flat: index of a queue not served, the error     settled  flat: id, state or "gone", why it is dead; or nil
-- First write: ZREM, or ZREMRANGEBYRANK of what is settled: passes when Redis is full; none unless the status is 0,
-- or it was met on the way (rules/trip/look.lua)
local queues, is_wake = {}, string.find(ARGV[6], 'wake')
for i, key in ipairs(KEYS) do queues[i] = prefix(key) end
if is_wake and has_nothing(queues) then return { 4, workers_here(queues[1]) } end
--: include trip/standing trip/read_plain trip/woken
local now, now_text = clock(ARGV[1])
local answer = is_wake and take_alone(queues, now, now_text)
if answer then return answer end
--: include trip/way trip/watch trip/rest
local t = { now = now, now_text = now_text, worker = ARGV[2], trip = tonumber(ARGV[3]), want = tonumber(ARGV[4]),
  asked = tonumber(ARGV[4]), lease = tonumber(ARGV[5]), words = ARGV[6], is_wake = is_wake, room = MOST_TAKE_BYTES,
  stop = false, more = 0, at = {}, reports = {}, due = {}, refusals = {}, taken = {}, quiet = {}, queues = queues,
  stale = {}, lost = {}, plain = {}, jobs = {}, inboxes = {}, tailed = {}, broken = {}, watches = {}, moments = {},
  resyncs = string.find(ARGV[6], 'resync'), settled = string.find(ARGV[6], 'settled') and {} or nil }
t.suspects, t.scope = string.match(ARGV[6], 'suspects (%d+) (%d)')
function t.limited()  -- built when a trip meets what is not plain
  --: include flow/outgoing limits/free_done trip/settle trip/take_limited
  local limited = { free = free_done, settle = settle_others, take = take_limited }
  t.outgoing = outgoing
  function t.rare()  -- and this when it has more than a limit: that costs as much as all its commands
    --: include mend limits/let_go trip/settle_one trip/resync due workers/expired_leases trip/take trip/take_suspects
    local rules = { mend = mend, settle = settle_one, resync = resync, promote = promote, reap = reap, take = take,
      suspects = take_suspects, open_gate = open_gate }
    function t.rare() return rules end
    return rules
  end
  function t.limited() return limited end
  return limited
end
function t.rare() return t.limited() and t.rare() end
local standing = set_out(t)
if standing > 0 then return { standing, now } end
local is_quiet = true
for i = 1, #t.queues do is_quiet = is_quiet and t.quiet[i] ~= false end
if t.want > 0 and t.suspects and not (t.passes or is_quiet) then t.rare().suspects(t) end
go(t)
local wait = watch_queues(t, t.want > 0 and #t.plain + #t.jobs == 0 and not t.lacks)
if t.refusals[1] and not t.settled then return { 1, now } end  -- hooks need to hear what was settled
if t.refusals[2] and not t.settled and #t.plain + #t.jobs == 0 then return { 2, now } end
return { 0, now, wait, t.more, #t.plain > 0 and t.plain, rest_of(t) }
