-- What ready begins with: ids and ranks.
-- Gives: head_of

local FEW = 8            -- of so many a second question would cost more than it spares
local EXACT = 2 ^ 53     -- beyond it two numbers that follow each other are one
local DIGITS = { [0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' }

-- Of jobs that came one after the other the ranks are counted here: to have Redis write each takes half as long as to
-- read a job. Returns n texts, of first and what follows it.
local function ranks_from(first, n)
  local ranks, sign, step = {}, first < 0 and '-' or '', first < 0 and -1 or 1
  local digit = first * step % 10
  local tens = (first * step - digit) / 10
  local begin = sign .. string.format('%.0f', tens)
  for i = 1, n do
    ranks[i] = begin .. DIGITS[digit]
    digit = digit + step
    if not DIGITS[digit] then
      digit, tens = digit - 10 * step, tens + step
      begin = sign .. string.format('%.0f', tens)
    end
  end
  return ranks
end

-- Ranks are whole numbers, and no two jobs have the same, but where groups take turns: they are asked for there.
local function follow_each_other(first, last, n)
  return last - first == n - 1 and first % 1 == 0 and first > -EXACT and last < EXACT and (first > 0 or last < 0)
end

-- Returns ids and ranks of the first `most` jobs in ready.
local function head_of(ready, most, has_groups)
  if most < FEW or has_groups then
    local ids, ranks, head = {}, {}, redis.call('ZRANGE', ready, '0', most - 1, 'WITHSCORES')
    for i = 1, #head / 2 do
      ids[i], ranks[i] = head[2 * i - 1], head[2 * i]
    end
    return ids, ranks
  end
  local ids = redis.call('ZRANGE', ready, '0', most - 1)
  if #ids == 0 then return ids, ids end
  local ends = redis.call('ZMSCORE', ready, ids[1], ids[#ids])
  local first, last = tonumber(ends[1]), tonumber(ends[2])
  if follow_each_other(first, last, #ids) then return ids, ranks_from(first, #ids) end
  return ids, redis.call('ZMSCORE', ready, unpack(ids))
end
