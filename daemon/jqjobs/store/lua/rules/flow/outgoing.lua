-- What is to be taken to another queue: who has called the script hears of it, and does that at once.
-- Gives: outgoing

local outgoing = {}  -- q → true once this call has written a notice there, or a job that is for another queue
