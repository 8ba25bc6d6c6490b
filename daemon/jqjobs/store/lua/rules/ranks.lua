-- A job's place in the order: its rank, which is its score in `ready` (docs/protocol.md, "Keys").
-- Gives: BAND, rank_for, fresh_rank

local BAND = 1099511627776        -- 2^40: ranks of one priority

local function rank_for(priority, sequence) return -(tonumber(priority) or 0) * BAND + sequence end

local function fresh_rank(q, priority)
  return rank_for(priority, redis.call('HINCRBY', q .. 'meta', 'seq', 1))
end
