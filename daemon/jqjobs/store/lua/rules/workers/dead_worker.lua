--: include in_hand mend damaged totals outcome/leave_hand limits/places workers/board_entry
-- The end of a worker: what it had in hand goes elsewhere, its lease is gone. Of one that has very much that is done in
-- parts; meanwhile its lease is none (0 or less): nobody renews it, and the worker is fenced. Less than 0 says when who
-- has its board ended the last part: for a lease from then on the reaper, which has none, leaves the rest to that one.
-- Gives: MOST_ENDED, end_worker

local MOST_ENDED = 30  -- jobs of one call, 2 to 4 ms
local CLEAN = { unstarted = true, succeeded = true }

-- The worker that runs it next calls its cleanup hooks first; of a dead one, whoever calls its other hooks.
local function owe_cleanup(q, id, attempt, word)
  if CLEAN[word] or string.find(word, '^waiting') then return end
  redis.call('HSET', q .. 'job:' .. id, 'uncleaned', attempt)
end

-- One job has left the active set. word: what its daemon says of it, "unstarted" when it says nothing, "unknown" when
-- nobody could read the board.
local function settle_left(q, now, worker, id, rank, word, end_of, cancelled)
  if (cancelled or word == 'cancelled') and word ~= 'succeeded' then
    end_cancelled_with_worker(q, now, id, word, worker, end_of)
  elseif word == 'unknown' then
    settle_without_board(q, now, id, rank, worker, end_of)
  else
    settle_by_board(q, now, id, rank, word, worker, end_of)
  end
end

-- board: id → {attempt, word}, or nil when nobody could read it (then all that it had in hand may have been running).
-- end_of: cause, stack, share, see leave.lua; was_draining: it had said that it would end. Returns of how many jobs, at
-- most `most`, and whether that was the last of it.
local function end_worker(q, now, worker, board, end_of, most)
  local active = q .. 'active:' .. worker
  mend(q, { ['active:' .. worker] = 'zset', ['trip:' .. worker] = 'string' })
  local members = redis.call('ZRANGE', active, 0, most - 1, 'WITHSCORES')
  local last_trip = redis.call('GET', q .. 'trip:' .. worker) or ''
  -- Single trips look for that word, not for a lease.
  redis.call('SET', q .. 'trip:' .. worker, last_trip .. ' gone', 'XX', 'KEEPTTL')
  for i = 1, #members, 2 do
    local id, attempt = string.match(members[i] .. ' 0', '(%S+) (%S+)')
    local entry = board and board[id]
    local current = entry and entry[1] == attempt
    local word = not board and 'unknown' or current and entry[2] or 'unstarted'
    redis.call('ZREM', active, members[i])
    unless_damaged(q, now, id, function()
      local limits, cancelled = note_attempt(q, active, id, attempt, taken_at(last_trip))
      owe_cleanup(q, id, attempt, word)
      settle_left(q, now, worker, id, members[i + 1], word, end_of, cancelled)
      free_places(q, now, id, attempt, limits)
    end)
  end
  count(q, now, 'done', end_of.done or 0)
  if redis.call('EXISTS', active) == 1 then
    redis.call('ZADD', q .. 'leases', board and -now or 0, worker)
    return #members / 2, false
  end
  redis.call('ZREMRANGEBYLEX', q .. 'cancels', '[' .. worker .. ' ', '(' .. worker .. '!')
  redis.call('ZREM', q .. 'draining', worker)
  redis.call('ZREM', q .. 'leases', worker)  -- last: an end that breaks off can be done again
  return #members / 2, true
end
