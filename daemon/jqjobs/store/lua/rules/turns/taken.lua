--: include core ranks
-- How far the turns of a priority have got: the highest number that was taken (turns/last.lua).
-- Gives: note_taken

local function note_highest(q, rank)
  local band = math.floor(rank / BAND)
  local moved_on = redis.call('ZADD', q .. 'turns', 'XX', 'GT', 'CH', rank, digits(0 - band))
  if moved_on == 1 then redis.call('ZREMRANGEBYSCORE', q .. 'turns', band * BAND, '(' .. digits(rank)) end
end

-- ranks: of what was taken from ready, in its order; they stand from `first` to `last`, one each `step`.
-- What comes back has an old number, and is no step back. Jobs of several priorities may be among them.
local function note_taken(q, ranks, first, last, step)
  local lowest, rank = math.floor(ranks[first] / BAND), tonumber(ranks[last])
  note_highest(q, rank)
  local at = last
  while math.floor(rank / BAND) > lowest do
    local band = math.floor(rank / BAND)
    repeat
      at = at - step
      rank = tonumber(ranks[at])
    until math.floor(rank / BAND) < band
    note_highest(q, rank)
  end
end
