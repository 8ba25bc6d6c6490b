--: include core name
-- Which attempts ended last: the newest hundred of a queue, whoever tells of them (docs/protocol.md, "Recent").
-- Gives: add_ends, note_end

local MOST_ENDS, ENDS_KEPT_S = 100, 86400

-- ends: flat, pairs: when, ms, and "id name outcome run_ms wait_ms", "-" for what nobody knows. Where that cannot be
-- noted, it is not.
local function add_ends(q, now, ends)
  local recent, entering = q .. 'recent', {}
  for i = 1, #ends, 2 do
    local ended = math.min(tonumber(ends[i]) or now, now)
    entering[i], entering[i + 1] = ended, digits(ended) .. ' ' .. ends[i + 1]
  end
  redis.pcall('ZREMRANGEBYSCORE', recent, '(' .. digits(now), '+inf')  -- the clock was set back
  redis.pcall('ZADD', recent, unpack(entering))
  redis.pcall('ZREMRANGEBYRANK', recent, 0, -1 - MOST_ENDS)
  redis.pcall('EXPIRE', recent, ENDS_KEPT_S)
end

-- An end that no worker tells of, so nobody says how long it took. name: false when there is none.
local function note_end(q, now, id, name, outcome)
  if name and is_name(name) then add_ends(q, now, { now, id .. ' ' .. name .. ' ' .. outcome .. ' - -' }) end
end
