--: include totals in_hand outcome/succeeded
-- The way of most jobs, its end: a name and a payload, taken for the first time, done, gone. A trip that meets nothing
-- else does without most other rules (exchange.lua).
-- The attempt is part of the member in the active set, and is written to the job only when that goes back
-- or fails: a job that succeeds at once has no write of its own here.
-- Gives: settle_plain

-- Takes first attempts out of the active set: `n` ids from ARGV[at] on. Returns those that were there, and how
-- many left. stale gets the others.
-- Most workers finish in the order they took, so their report is the head of the set: two texts are compared, not
-- a rank asked of each.
local function leave_active(active, at, n, stale)
  local head = redis.call('ZRANGE', active, '0', n)
  if #head >= n and table.concat(head, ' ', 1, n) == table.concat(ARGV, ' 1 ', at, at + n - 1) .. ' 1' then
    return { unpack(ARGV, at, at + n - 1) }, redis.call('ZREMRANGEBYRANK', active, '0', n - 1)
  end
  local members, ids, ours = {}, {}, {}
  for i = 1, n do members[i] = ARGV[at + i - 1] .. ' 1' end
  for i, rank in ipairs(redis.call('ZMSCORE', active, unpack(members))) do
    local id = ARGV[at + i - 1]
    if rank then
      ids[#ids + 1], ours[#ours + 1] = id, members[i]
    else
      stale[#stale + 1] = id
    end
  end
  return ids, redis.call('ZREM', active, '', unpack(ours))
end

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
