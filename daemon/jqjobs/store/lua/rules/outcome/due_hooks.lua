-- Dead jobs whose hooks some worker is to call (deaths.lua): `hooks` has "id name" of each.
-- Gives: are_hooks_due, let_hooks_be_called

local MOST_HOOKS = 1000  -- the oldest go

local function are_hooks_due(q, id, name) return redis.pcall('ZSCORE', q .. 'hooks', id .. ' ' .. name) and true end

local function let_hooks_be_called(q, now, id, name)
  redis.pcall('ZADD', q .. 'hooks', now, id .. ' ' .. name)
  redis.pcall('ZREMRANGEBYRANK', q .. 'hooks', 0, -1 - MOST_HOOKS)
end
