--: include ranks
-- The first job with a group comes to a priority (turns/last.lua): what waits there already is a group now.
-- Gives: begin_turns

local AHEAD = 10  -- of what waits, so many may have come back to old places

-- band: the priority as text. sequence: number of the job that comes. Returns the rank up to which all counts as taken,
-- and that of the last job without a group, nil when there is none.
local function begin_turns(q, band, sequence)
  local low, high, ready = rank_for(band, 0), rank_for(band, BAND - 1), q .. 'ready'
  local first = redis.call('ZRANGEBYSCORE', ready, low, high, 'WITHSCORES', 'LIMIT', 0, AHEAD)
  local last = redis.call('ZRANGE', ready, high, low, 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')
  local taken = #first > 0 and math.max(low, first[#first] - #first / 2) or rank_for(band, sequence - 1)
  redis.call('ZADD', q .. 'turns', taken, band)
  redis.call('HSET', q .. 'meta', 'turns', 1)
  return taken, tonumber(last[2])
end
