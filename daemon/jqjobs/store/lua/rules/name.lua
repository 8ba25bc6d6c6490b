-- What may name a queue, a job or an id (jobs/records.py).
-- Gives: is_name

local function is_name(text) return #text <= 128 and string.find(text, '^[A-Za-z0-9][A-Za-z0-9_.-]*$') ~= nil end
