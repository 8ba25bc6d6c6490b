--: include coalescing_key
-- A job goes back to where jobs wait for a worker, to its old place: to ready, or to suspects when it is one.
-- Gives: give_back, give_back_unrun

local function put_back(q, id, rank, is_suspect)
  if is_suspect then redis.pcall('HDEL', q .. 'meta', 'served') end  -- a fast trip does not ask for it
  redis.call('ZADD', q .. (is_suspect and 'suspects' or 'ready'), rank, id)
end

local function give_back(q, id, rank)
  put_back(q, id, rank, redis.call('HEXISTS', q .. 'job:' .. id, 'suspect') == 1)
end

-- The same, and its key with it if it gave that away when it was taken.
local function give_back_unrun(q, id, rank)
  local f = redis.call('HMGET', q .. 'job:' .. id, 'suspect', 'coalesce', 'key')
  put_back(q, id, rank, f[1])
  if f[2] == 'queued' then claim_key(q, id, f[3]) end
end
