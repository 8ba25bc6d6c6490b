--: include wake workers/reap_due trip/take_plain trip/served
-- What a trip does in each queue of the worker once it has settled: promote, reap, take, set the wake token.
-- t, the trip: now, worker, lease, queues; want, room: so many may it take, and bytes of payloads; stop: it may take no
-- more; plain, jobs, inboxes, tailed, more, broken: for the answer; suspects, scope: see take_suspects.lua; by index of
-- a queue: quiet: nothing is cancelled, scheduled, suspect or in the inbox, watches: its meta field `watch`, moments:
-- ms until something is due, -1 for never, absent when that is not known; is_wake: it is a wake trip;
-- limited(), rare(): what handles jobs with limits, and all that is not plain (exchange.lua).
-- Gives: serve

-- Returns whether ready has more, nil when that is not known.
local function take_from(t, i, q, has_groups)
  local active, got, bytes, aside, left, ids, ranks = q .. 'active:' .. t.worker, 0, 0, 0, nil, nil, nil
  if #t.jobs == 0 then
    got, bytes, left, ids, ranks = take_plain(q, i, t.want, t.room, active, t.plain, has_groups)
    t.want, t.room = t.want - got, t.room - bytes
    t.stop = t.room < 0
    if left and t.want > 0 and not t.stop then left = t.limited().take(t, q, i, active, has_groups, ids, ranks) end
    if left == false or t.want == 0 or t.stop then return left end
  end
  t.moments[i] = nil
  got, aside, t.stop = t.rare().take(t, q, i, active, has_groups)
  t.want, t.stop = t.want - got, t.stop or t.room < 0
  if aside > 0 then t.more = 1 end
end

local function serve_one(t, i, q)
  local meta = redis.call('HMGET', q .. 'meta', 'paused', 'reaped', 'watch', 'tail', 'served', 'uncounted',
    'turns')
  local paused, reaped, has_groups, due, ended, ready, inbox = meta[1], meta[2], meta[7], false, 0, nil, nil
  t.moments[i] = t.quiet[i] and -1 or ask_again_at(q, t.now)
  if t.moments[i] == 0 then
    due, t.moments[i] = t.rare().promote(q, t.now, 100), nil
    paused = paused and redis.call('HGET', q .. 'meta', 'paused')  -- its moment may have come
    has_groups = redis.call('HGET', q .. 'meta', 'turns')
  end
  if is_reap_due(t.now, t.lease, reaped, t.is_wake) then
    ended, t.moments[i] = t.rare().reap(q, t.now, t.lease, reaped, t.worker, 1), nil
  end
  if t.want > 0 and not t.stop and not paused then ready = take_from(t, i, q, has_groups) end
  if due or ended > 0 then t.more = 1 end
  if t.quiet[i] then inbox = false end
  if update_wake(q, paused, inbox, ready) then t.inboxes[#t.inboxes + 1] = i end
  t.watches[i] = meta[3]
  local is_tailed = meta[4] and (tonumber(meta[4]) or 0) > t.now
  if is_tailed then t.tailed[#t.tailed + 1] = i end
  if not (paused or is_tailed) then note_served(q, t.now, meta[5]) end
  if meta[6] then count_uncounted(q, t.now, meta[6]) end
end

-- A queue with a key of the wrong type stops only itself, and only for this trip, see mend.lua.
local function serve(t, i)
  local q = t.queues[i]
  local fine, problem = pcall(serve_one, t, i, q)
  if not fine then
    t.rare().mend(q, { ['active:' .. t.worker] = 'zset' })
    local n = #t.broken
    t.broken[n + 1], t.broken[n + 2] = i, type(problem) == 'table' and problem.err or tostring(problem)
  end
end
