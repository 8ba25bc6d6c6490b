--: include coalescing_key
-- A job is over: nothing of it stays, or who waits for its end is told.
-- Gives: forget, announce

local function forget(q, id, key)
  free_key(q, id, key)
  redis.call('DEL', q .. 'job:' .. id, q .. 'job:' .. id .. ':history')
end

-- Tells those who wait for a job (result.lua) that it is over. Who may not publish loses nothing but time:
-- they look again by themselves.
local function announce(q, id) redis.pcall('PUBLISH', q .. 'over:' .. id, '1') end
