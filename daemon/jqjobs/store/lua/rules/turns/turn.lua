--: include core ranks turns/begin
-- Fair turns: groups of jobs take turns, however many jobs one of them has (start-time fair queueing). Within a
-- priority a job's number is one more than that of the last job of its group, or than the highest one that was taken,
-- whichever is more: so `ready` has the right order from the start, and nobody looks for whose turn it is. Jobs without
-- a group are one group.
-- Of each priority P with groups `turns` has the highest rank taken, as "P", and the last one of each group that is
-- ahead of that, as "P group". It is there while there are groups. The mark `turns` in meta says that there were any.
-- Gives: has_turns, turn_of, write_turns, fresh_rank

local has_turns = {}  -- q → whether it has groups, asked once a call
local taken_of, last_of = {}, {}  -- what this call has read; and has given, to be written by `write_turns`

local function read_turns(q, band, member)
  local found = redis.call('ZMSCORE', q .. 'turns', band, member)
  taken_of[band], last_of[member] = tonumber(found[1] or nil), tonumber(found[2] or nil)
end

-- group: its field `fair`, or nil. sequence: its number where nobody takes turns; `seq` in meta has got so far.
local function turn_of(q, priority, group, sequence)
  if has_turns[q] == nil then has_turns[q] = redis.call('EXISTS', q .. 'turns') == 1 end
  if not (group or has_turns[q]) then return rank_for(priority, sequence) end
  local band = digits(tonumber(priority) or 0)
  local member = band .. ' ' .. (group or '')
  if not last_of[member] then read_turns(q, band, member) end
  if not taken_of[band] then
    if not group then return rank_for(priority, sequence) end
    has_turns[q], taken_of[band], last_of[band .. ' '] = true, begin_turns(q, band, sequence)
  end
  last_of[member] = math.max(taken_of[band], last_of[member] or -math.huge) + 1
  return last_of[member]
end

-- After the last one of a call.
local function write_turns(q)
  local given = {}
  for member, rank in pairs(last_of) do given[#given + 1], given[#given + 2] = rank, member end
  if #given > 0 then redis.call('ZADD', q .. 'turns', unpack(given)) end  -- of 500 jobs at most
  taken_of, last_of = {}, {}
end

local function fresh_rank(q, priority, group)
  local rank = turn_of(q, priority, group, redis.call('HINCRBY', q .. 'meta', 'seq', 1))
  if has_turns[q] then write_turns(q) end
  return rank
end
