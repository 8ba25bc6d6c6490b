--: include core wake withdraw outcome/over outcome/succeeded outcome/error_groups flow/ended workers/hands
--: include flow/and_leaving
-- A person deletes jobs: nothing of them stays, wherever they waited or lay. One that a worker has in hand is let be.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""
-- then job ids, each alone or "id state score": its place as somebody has seen it
-- Returns for each id: 1 deleted | 0 a worker, or who moves it, has it in hand | -1 unknown: not there, or not any
-- more; then "leaving", see rules/flow/and_leaving.lua
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)

-- Whether it was in a set. Damaged data is no reason to keep a job: it has left its set before that is met.
local function leave_set(id)
  local fine, was_waiting = pcall(withdraw, q, now, id)
  if redis.call('ZREM', q .. 'kept', id) == 1 then
    note_successes(q, { id })
    return true
  end
  return redis.call('ZREM', q .. 'dead', id) == 1 or was_waiting or not fine
end

local function delete(which)
  local id, state, seen = string.match(which, '^(%S+) ?(%S*) ?(%S*)$')
  if seen ~= '' and redis.call('ZSCORE', q .. state, id) ~= seen then return -1 end
  local job = q .. 'job:' .. id
  local is_known = redis.call('EXISTS', job) == 1
  local f = redis.pcall('HMGET', job, 'key', 'name', 'attempt', 'awaited', 'group', 'moved')
  if f.err then f = {} end
  if f[6] then return -1 end  -- a forward is no job
  local is_kept = redis.call('ZSCORE', q .. 'kept', id)
  if not leave_set(id) then
    if not is_known then return -1 end
    if redis.call('ZSCORE', q .. 'transfers', id) or who_has(q, member_in_hand(id, f[3])) then return 0 end
  end
  if f[2] then redis.call('ZREM', q .. 'hooks', id .. ' ' .. f[2]) end
  if not is_kept then pcall(flow_turns, q, now, id, 'gone') end
  forget(q, id, f[1])
  if f[5] then uncount_death(q, id, f[5]) end
  if f[4] then announce(q, id) end
  return 1
end

local reply = {}
for i = 2, #ARGV do reply[i - 1] = delete(ARGV[i]) end
update_wake(q)
return and_leaving(q, reply)
