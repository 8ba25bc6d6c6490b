--: include rank_texts
-- What ready begins with: ids and ranks.
-- Gives: head_of

local FEW = 8              -- of so many a second question would cost more than it spares
local MANY, ALIKE = 64, 16  -- of so many two more are worth it, if so many have the same rank

-- Where many groups take turns, many jobs in a row have the same rank: few of them are asked for theirs.
-- Returns ranks by place, of n ids, the first and the last being known.
local function ranks_between(ready, ids, n, first, last)
  local ranks = { [1] = first, [n] = last }
  local function fill(from, to)
    if ranks[from] == ranks[to] then
      for i = from + 1, to - 1 do ranks[i] = ranks[from] end
    elseif to - from > 1 then
      local middle = math.floor((from + to) / 2)
      ranks[middle] = redis.call('ZSCORE', ready, ids[middle])
      fill(from, middle)
      fill(middle, to)
    end
  end
  fill(1, n)
  return ranks
end

-- Returns what head_of does where groups take turns, or nil: it would cost more than it spares.
local function head_of_turns(ready, most)
  if most < MANY then return end
  local first = redis.call('ZRANGE', ready, '0', '0', 'WITHSCORES')[2]
  local last = redis.call('ZRANGE', ready, most - 1, most - 1, 'WITHSCORES')[2]
  if not last or last - first > most / ALIKE then return end
  local ids = redis.call('ZRANGE', ready, '0', most - 1)
  return ids, ranks_between(ready, ids, most, first, last)
end

-- Returns ids and ranks of the first `most` jobs in ready.
local function head_of(ready, most, has_groups)
  local ids, ranks = nil, nil
  if has_groups then
    ids, ranks = head_of_turns(ready, most)
    if ids then return ids, ranks end
  end
  if most < FEW or has_groups then
    local head = redis.call('ZRANGE', ready, '0', most - 1, 'WITHSCORES')
    ids, ranks = {}, {}
    for i = 1, #head / 2 do
      ids[i], ranks[i] = head[2 * i - 1], head[2 * i]
    end
    return ids, ranks
  end
  ids = redis.call('ZRANGE', ready, '0', most - 1)
  if #ids == 0 then return ids, ids end
  local ends = redis.call('ZMSCORE', ready, ids[1], ids[#ids])
  local first, last = tonumber(ends[1]), tonumber(ends[2])
  -- Ranks are whole numbers, and no two jobs have the same, but where groups take turns. (After a damaged `seq` was
  -- mended two may: then places are shifted by one, and no more.)
  ranks = last - first == #ids - 1 and rank_texts(first, #ids)
  return ids, ranks or redis.call('ZMSCORE', ready, unpack(ids))
end
