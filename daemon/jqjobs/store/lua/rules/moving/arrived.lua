-- What a queue has answered to those who bring it jobs; whenever they come again, it answers the same. `arrived` has
-- "queue token" of what came, "queue token 0" or "queue token -1" of what was refused → until when that is remembered.
-- Gives: answer_given, remember_answer, remember_until

local REMEMBERED_MS = 2592000000  -- 30 days; no longer than needed once its queue knows (acknowledge.lua)
local ENDINGS = { [1] = '', [0] = ' 0', [-1] = ' -1' }

-- Returns it, nil where there is none. came_from: "queue token".
local function answer_given(q, came_from)
  for answer, ending in pairs(ENDINGS) do
    if redis.call('ZSCORE', q .. 'arrived', came_from .. ending) then return answer end
  end
end

local function remember_answer(q, now, came_from, answer)
  redis.call('ZADD', q .. 'arrived', now + REMEMBERED_MS, came_from .. ENDINGS[answer])
  return answer
end

-- Whatever it was.
local function remember_until(q, moment, came_from)
  for _, ending in pairs(ENDINGS) do redis.call('ZADD', q .. 'arrived', 'XX', moment, came_from .. ending) end
end
