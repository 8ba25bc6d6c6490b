-- What a trip has to say beside its plain jobs; most have nothing.
-- Gives: rest_of

-- t: the trip, see serve.lua; outgoing: as flow/outgoing.lua has it, nil where nothing can be. Returns what
-- exchange.lua says, or false.
local function rest_of(t)
  local leaves = {}
  if t.outgoing then
    for i, q in ipairs(t.queues) do
      if t.outgoing[q] then leaves[#leaves + 1] = i end
    end
  end
  local size = #t.inboxes + #t.stale + #t.lost + #t.jobs + #t.broken + #t.tailed + #leaves
  if size == 0 and not t.settled then return false end
  return { t.inboxes, t.stale, t.lost, t.jobs, t.broken, t.tailed, leaves, t.settled }
end
