--: include ranks arrival/said
-- One new job that comes alone and is not plain, in a queue without rules for those that come: many calls are that, so
-- it takes few commands and little code (enqueue.lua).
-- Gives: add_alone

-- What turns/last.lua does for one job; nil where the turns of its priority are yet to begin. What is known of a group
-- is not behind what was taken, else it is forgotten (turns/taken.lua).
local function next_turn(turns, band, group)
  local member = band .. ' ' .. (group or '')
  local rank = redis.call('ZADD', turns, 'XX', 'INCR', '1', member)
  if rank then return rank end
  local taken = redis.call('ZSCORE', turns, band)
  if not taken then return end
  redis.call('ZADD', turns, taken + 1, member)
  return taken + 1
end

-- words: ARGV[5]. Returns whether it is stored. It is not when there is something to look at first: for what is said of
-- it, its id is there, people have set something for the queue, or turns begin.
local function add_alone(q, now, words)
  local priority, group, has_more = read_said(6, words)
  if not priority then return false end
  local id, wake, settings, turns, rank = ARGV[6 + words], q .. 'wake', q .. 'settings', q .. 'turns', nil
  local job = q .. 'job:' .. id
  local there = redis.call('EXISTS', wake, job, job, settings, settings, turns, turns)
  if there > 3 then return false end
  if group or there > 1 then
    rank = there > 1 and next_turn(turns, priority, group)  -- if `turns` is what is there, the others are not
    if not rank then return false end
  end
  local sequence = redis.call('HINCRBY', q .. 'meta', 'seq', '1')
  redis.call('ZADD', q .. 'ready', rank or rank_for(priority, sequence), id)  -- first, as in plain.lua
  write_said(job, now, ARGV[4], ARGV[7 + words], 6, words, has_more)
  if there % 2 == 0 then redis.call('ZADD', wake, 0, '1') end
  return true
end
