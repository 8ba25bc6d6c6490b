--: include coalescing_key
-- A job goes back to where jobs wait for a worker, to its old place: to ready, or to suspects when it is one.
-- Gives: give_back, give_back_unrun

local function give_back(q, id, rank)
  local is_suspect = redis.call('HEXISTS', q .. 'job:' .. id, 'suspect') == 1
  redis.call('ZADD', q .. (is_suspect and 'suspects' or 'ready'), rank, id)
end

local function give_back_unrun(q, id, rank)
  give_back(q, id, rank)
  retake_key(q, id)
end
