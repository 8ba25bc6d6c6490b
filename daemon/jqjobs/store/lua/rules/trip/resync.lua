--: include damaged outcome/unrun
-- After a trip whose answer was lost: worker and Redis agree again on what the worker has in hand.
-- Gives: resync

-- in_hand: "id attempt …", all that the worker has. The rest of its active set goes back in place; what it
-- has and Redis has not is added to `lost`.
local function resync(q, now, active, taken, in_hand, lost)
  local named = {}
  for member in string.gmatch(in_hand, '%S+ %S+') do named[member] = true end
  local inside = redis.call('ZRANGE', active, 0, -1, 'WITHSCORES')
  for i = 1, #inside, 2 do
    if named[inside[i]] then
      named[inside[i]] = nil
    else
      redis.call('ZREM', active, inside[i])
      unless_damaged(q, now, string.match(inside[i], '%S+'), function()
        leave_unrun(q, now, active, inside[i], inside[i + 1], taken)
      end)
    end
  end
  for member in pairs(named) do lost[#lost + 1] = string.match(member, '%S+') end
end
