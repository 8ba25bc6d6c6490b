-- Which jobs have succeeded and are gone: the last ones of a queue, at least a thousand.
-- Gives: note_successes, has_succeeded

local FEWEST, MOST = 1000, 1500  -- cut back only now and then

local function note_successes(q, ids)
  if #ids == 0 then return end
  if redis.call('RPUSH', q .. 'succeeded', unpack(ids)) > MOST then
    redis.call('LTRIM', q .. 'succeeded', -FEWEST, -1)
  end
end

local function has_succeeded(q, id) return redis.call('LPOS', q .. 'succeeded', id, 'RANK', -1) and true end
