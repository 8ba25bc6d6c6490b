-- What is said of new jobs, where all of it is stored as it is and no other job is looked at for it: most that is said.
-- Gives: read_said, write_said

-- at: where its words begin in ARGV. Returns priority, group or nil, and whether there is more to read
-- (trip/read_job.lua); nothing where it is said otherwise (words.lua).
local function read_said(at, words)
  local priority, group, has_more = '0', nil, false
  for n = at, at + words - 1, 2 do
    local word = ARGV[n]
    if word == 'fair' then
      group = ARGV[n + 1]
    elseif word == 'priority' then
      priority = ARGV[n + 1]
    elseif word == 'key' or word == 'due' or word == 'batch' or word == 'expires' then
      return
    else
      has_more = true
    end
  end
  return priority, group, has_more
end

local function write_said(job, now, name, payload, at, words, has_more)
  redis.call('HSET', job, 'name', name, 'payload', payload, 'enqueued', now, unpack(ARGV, at, at + words - 1))
  if has_more then redis.call('HSET', job, 'attempt', '0') end
end
