-- What people have set for one queue (settings.lua).
-- Gives: setting

-- Returns a number; other, where nobody has set that, or it is none.
local function setting(q, name, other)
  local own = redis.pcall('HGET', q .. 'settings', name)
  return type(own) == 'string' and string.find(own, '^%d+$') and #own <= 15 and tonumber(own) or other
end
