--: include core search/walk search/row
-- Looks for jobs of one queue in one state, a page at a time: it ends when the page is full, or when it has looked at
-- enough.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] what is wanted, JSON (jobs/selector.py)
-- ARGV[3] cursor of the page before, "#n" to pass over the first n, or ""   ARGV[4] at most so many jobs
-- Returns flat: now, jobs in that state, looked at, members left to look at, cursor or "" at the end, then
-- sixteen items a job (rules/search/row.lua)
-- First write: none
local MOST_READ = 300
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local most, rows, reply = tonumber(ARGV[4]), 0, { now, 0, 0, 0, '' }

local function add(job, id, attempt, score, worker)
  rows = rows + 1
  add_row(reply, job, id, attempt, score, worker)
  return rows >= most
end

reply[2], reply[3], reply[4], reply[5] =
  go_through(q, now, cjson.decode(ARGV[2]), ARGV[3], most > 0 and MOST_READ or 0, add)
return reply
