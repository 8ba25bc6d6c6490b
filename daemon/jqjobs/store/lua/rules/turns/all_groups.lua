--: include turns/last
-- What is known of all groups of a call, asked at once (enqueue.lua has the form of ARGV).
-- Gives: read_all_groups

-- at: in ARGV, where the first run with a group begins. Of what more is said, that is asked one by one. Returns true.
local function read_all_groups(q, at)
  local members, n = {}, 0
  while ARGV[at] do
    local words = tonumber(ARGV[at + 2])
    if words == 2 and ARGV[at + 3] == 'fair' then members[n + 1], n = '0 ' .. ARGV[at + 4], n + 1 end
    at = at + 3 + words + 2 * ARGV[at]
  end
  if n > 1 then read_turns(q, '0', members) end
  return true
end
