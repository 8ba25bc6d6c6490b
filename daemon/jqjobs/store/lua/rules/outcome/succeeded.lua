-- Which jobs have succeeded and are gone: the last ones of a queue, at least a thousand. Where that cannot be noted, it
-- is not: they have succeeded all the same.
-- Gives: note_successes, has_succeeded

local FEWEST, MOST = 1000, 1500  -- cut back only now and then

local function note_successes(q, ids)
  if #ids == 0 then return end
  local length = redis.pcall('RPUSH', q .. 'succeeded', unpack(ids))
  if type(length) == 'number' and length > MOST then redis.call('LTRIM', q .. 'succeeded', -FEWEST, -1) end
end

local function has_succeeded(q, id)
  return type(redis.pcall('LPOS', q .. 'succeeded', id, 'RANK', -1)) == 'number'
end
