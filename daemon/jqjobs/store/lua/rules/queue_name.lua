-- The name of a queue, from the prefix of its keys.
-- Gives: queue_of

local function queue_of(q) return string.match(q, '{(.*)}') end
