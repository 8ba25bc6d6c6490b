--: include outcome/leave_hand outcome/give_back outcome/dead limits/places
-- A job has left an active set unstarted: in place and free, unless somebody has cancelled it.
-- Gives: leave_unrun

-- member: "id attempt".
local function leave_unrun(q, now, active, member, rank, taken)
  local id, attempt = string.match(member, '(%S+) (%S+)')
  local limits, cancelled = note_attempt(q, active, id, attempt, taken)
  if cancelled then end_cancelled(q, now, id) else give_back_unrun(q, id, rank) end
  free_places(q, now, id, attempt, limits)
end
