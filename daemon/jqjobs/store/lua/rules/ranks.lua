-- A job's place in the order: its rank, which is its score in `ready` (docs/protocol.md, "Keys").
-- Gives: BAND, LEAST_PRIORITY, GREATEST_PRIORITY, rank_for

local BAND = 1099511627776        -- 2^40: ranks of one priority
local LEAST_PRIORITY, GREATEST_PRIORITY = -4096, 4095

local function rank_for(priority, sequence) return -(tonumber(priority) or 0) * BAND + sequence end
