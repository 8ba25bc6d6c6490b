--: include flow/outgoing
-- How a script that does one thing to one queue says that something is to be taken to another one.
-- Gives: and_leaving

-- Returns an answer, a list, with a word more at its end if it is.
local function and_leaving(q, reply)
  if outgoing[q] then reply[#reply + 1] = 'leaving' end
  return reply
end
