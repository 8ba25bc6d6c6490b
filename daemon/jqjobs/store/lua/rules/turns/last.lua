--: include core turns/begin
-- Fair turns: groups of jobs take turns, however many jobs one of them has (start-time fair queueing). Within a
-- priority a job's number is one more than that of the last job of its group, or than the highest one that was taken,
-- whichever is more: so `ready` has the right order from the start, and nobody looks for whose turn it is. Jobs without
-- a group are one group.
-- Of each priority P with groups `turns` has the highest rank taken, as "P", and the last one of each group that is
-- ahead of that, as "P group". It is there while there are groups. The mark `turns` in meta says that there were any.
-- Gives: has_turns, turn_before, write_turns, have_begun, read_turns

local has_turns = {}  -- q → whether it has groups, asked once a call
-- Of each priority: its text, the highest rank taken, and the last one of each group, by name in `turns`: false where
-- there is none, nil where this call has not asked. What it has given is written by `write_turns`.
local bands = {}

local function band_of(priority)
  local number = tonumber(priority) or 0
  bands[number] = bands[number] or { text = digits(number), last = {} }
  return bands[number]
end

-- members: names in `turns` of groups that have been given nothing in this call, one at least, 500 at most.
local function read_turns(q, priority, members)
  local band = band_of(priority)
  local found = redis.call('ZMSCORE', q .. 'turns', band.text, unpack(members))
  band.is_read, band.taken = true, tonumber(found[1] or nil)
  for i, member in ipairs(members) do band.last[member] = tonumber(found[i + 1] or nil) or false end
end

-- Whether it is known that groups take turns in a priority: before the first does, what waits must be in `ready`.
local function have_begun(priority) return band_of(priority).taken ~= nil end

-- group: its field `fair`, or nil. sequence: its number where nobody takes turns; `seq` in meta has got so far.
-- Returns the rank before its own, which is one more, the table that is to have its own, and under which name; nil: its
-- rank is by its number.
local function turn_before(q, priority, group, sequence)
  if has_turns[q] == nil then has_turns[q] = redis.call('EXISTS', q .. 'turns') == 1 end
  if not (group or has_turns[q]) then return end
  local band = band_of(priority)
  local member = band.text .. ' ' .. (group or '')
  if band.last[member] == nil and (band.taken or not band.is_read) then read_turns(q, priority, { member }) end
  if not band.taken then
    if not group then return end
    has_turns[q], band.taken, band.last[band.text .. ' '] = true, begin_turns(q, band.text, sequence)
  end
  local last = band.last[member]
  return last and last > band.taken and last or band.taken, band.last, member
end

-- After the last one of a call.
local function write_turns(q)
  local given, n, texts = {}, 0, {}  -- of many groups it is the same
  for _, band in pairs(bands) do
    for member, rank in pairs(band.last) do
      if rank then texts[rank] = texts[rank] or digits(rank) end
      if rank then given[n + 1], given[n + 2], n = texts[rank], member, n + 2 end
    end
  end
  if n > 0 then redis.call('ZADD', q .. 'turns', unpack(given)) end  -- of 500 jobs at most
  bands = {}
end
