-- A place that takes no new jobs of producers: its queue has partitions, or had others by the time this was one. Which
-- is in the field `partitions` of `settings`; in the queue's home it is what holds now (jobs/partitions.py).
-- Gives: partitions_of

-- Returns it, nil where there is none.
local function partitions_of(q)
  local said = redis.pcall('HGET', q .. 'settings', 'partitions')
  return type(said) == 'string' and said or nil
end
