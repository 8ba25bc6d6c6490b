--: include trip/head trip/read_plain trip/move_head
-- The way of most jobs, its beginning: a name and a payload, taken for the first time.
-- Gives: take_plain

-- room: see read_plain. plain, has_groups: see move_head.
-- Returns how many were taken, their bytes, and whether ready has more; when none was, ids and ranks of its head.
local function take_plain(q, index, want, room, active, plain, has_groups)
  local ids, ranks = head_of(q .. 'ready', want + 1, has_groups)
  local got, runs, payloads, bytes = read_plain(q, ids, want, room)
  if got == 0 then return 0, 0, #ids > 0, ids, ranks end
  move_head(q, index, active, has_groups, plain, ids, ranks, got, runs, payloads, #ids > got and 1 or 0, '')
  return got, bytes, #ids > got
end
