-- Where nothing waits, all groups begin anew. The mark in meta stays: what comes back may have the rank of another job.
-- Gives: forget_turns

local function forget_turns(q)
  redis.call('UNLINK', q .. 'turns')
end
