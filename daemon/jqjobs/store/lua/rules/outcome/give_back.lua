--: include coalescing_key
-- A job goes back to ready, to its old place.
-- Gives: give_back, give_back_unrun

local function give_back(q, id, rank) redis.call('ZADD', q .. 'ready', rank, id) end

local function give_back_unrun(q, id, rank)
  give_back(q, id, rank)
  retake_key(q, id)
end
