-- The name of a queue, from the prefix of its keys.
-- Gives: queue_of, home_of

local function queue_of(q) return string.match(q, '{(.*)}') end

-- Its name without the number of a partition (jobs/partitions.py): that of the queue that this one is a place of.
local function home_of(q) return string.match(queue_of(q), '^[^~]+') end
