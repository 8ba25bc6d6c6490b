--: include core
-- What is to be told to batches in other queues, for whoever takes it there (notify.lua, noticed.lua).
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] only what waits for so long, ms
-- then queues that are left out, "" for this one: they do not answer
-- Returns notices, the oldest first, at most 200: "home/batch member number what" (rules/flow/telling.lua), or
-- "~cancel batch sweep": the open members of this batch here are to be cancelled
-- First write: none
local MOST, MOST_SEEN = 200, 20000
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local left_out = {}
for i = 3, #ARGV do left_out[ARGV[i]] = true end

local function waiting(from, to)
  local found, seen = {}, 0
  repeat
    local read = redis.call('ZRANGEBYSCORE', q .. 'notices', from, to, 'LIMIT', seen, MOST)
    for _, notice in ipairs(read) do
      local home = string.match(notice, '^%+?([^/ ]+)/') or ''
      if not left_out[home] then found[#found + 1] = notice end
    end
    seen = seen + #read
  until #found > 0 or #read < MOST or seen >= MOST_SEEN
  return found
end

local found = waiting('-inf', now - ARGV[2])
if #found > 0 then return found end
return waiting('(' .. digits(now), '+inf')  -- the clock went back
