--: include prelude gates fates limits waits burial flow settle take watch
-- One trip of a worker: settle what it finished, promote what is due, reap who is gone, take what is ready.
-- KEYS[i]  meta key of each queue the worker serves, in its order (at most 32)
-- ARGV[1]  now, ms, or ""          ARGV[2] worker id      ARGV[3] trip number, only ever growing
-- ARGV[4]  want, 0 to 500          ARGV[5] lease, ms
-- ARGV[6]  words: "resync" after a connection error, "fates" to hear what became of the other outcomes, or ""
-- then for each queue: done ("id attempt …"), held ("id attempt …", resync only), number of other
-- outcomes, and for each of those: kind, id, attempt, number, text, line (see settle.lua)
-- Returns { status, now, wait, more, inboxes, stale, lost, jobs, broken, fates }
--   status  0 ok | 1 FENCED: no lease in some queue | 2 LATE: this trip or a later one was seen; 1 and 2 wrote nothing
--   wait    ms until this worker should come back, or -1     more  1 when work was only moved aside
--   inboxes indexes of queues with raw envelopes             stale, lost  ids (settled too late; no longer held)
--   jobs    flat, six items a job (see take.lua)            broken flat: index of a queue not served, the error
--   fates   flat: id, state or "gone", why it is dead; nil unless asked for
local now, worker, trip = clock(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local want, lease, resyncing = tonumber(ARGV[4]), tonumber(ARGV[5]), string.find(ARGV[6], 'resync')
local queues, taken, fates = {}, {}, string.find(ARGV[6], 'fates') and {} or nil
for i, key in ipairs(KEYS) do
  queues[i] = prefix(key)
  if not redis.call('ZSCORE', queues[i] .. 'leases', worker) then return { 1, now } end
  local seen = redis.call('GET', queues[i] .. 'trip:' .. worker)
  if tonumber(string.match(seen or '0', '%d+')) >= trip then return { 2, now } end
  taken[i] = taken_at(seen)
end

local stale, lost, at = {}, {}, 7
for i, q in ipairs(queues) do
  local active = q .. 'active:' .. worker
  allow_when_full(q)
  redis.call('SET', q .. 'trip:' .. worker, ARGV[3] .. ' ' .. (want > 0 and digits(now) or taken[i]), 'KEEPTTL')
  at = settle_part(q, now, active, taken[i], at, resyncing, stale, lost, fates)
end

local function alone() return is_alone(queues, worker) end
local jobs, inboxes, broken, watches, more = {}, {}, {}, {}, 0
local stop = want > 0 and holds_suspect(queues, worker)
local function move(i, q, paused, reaped)
  local more_due = promote(q, now, 100)
  local ended, got, aside = reap(q, now, lease, reaped, worker, 1), 0, 0
  if want > 0 and not stop and not paused then
    got, aside, stop = take(q, i, now, want, q .. 'active:' .. worker, jobs, alone)
    want = want - got
  end
  if aside > 0 or more_due or ended > 0 then more = 1 end
end

-- A queue with a key of the wrong type stops only itself.
for i, q in ipairs(queues) do
  local fine, problem = pcall(function()
    local meta = redis.call('HMGET', q .. 'meta', 'paused', 'reaped', 'watch')
    move(i, q, meta[1], meta[2])
    if update_wake(q, meta[1]) then inboxes[#inboxes + 1] = i end
    watches[i] = meta[3]
  end)
  if not fine then
    broken[#broken + 1], broken[#broken + 2] = i, type(problem) == 'table' and problem.err or tostring(problem)
  end
end
local wait = watch_queues(queues, now, worker, watches, want > 0 and #jobs == 0 and not has_lacked)
return { 0, now, wait, more, inboxes, stale, lost, jobs, broken, fates }
