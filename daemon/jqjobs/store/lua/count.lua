--: include core search/walk
-- Counts jobs of one queue in one state that are selected, some at a time: what `search` would find, unread.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] what is wanted, JSON (jobs/selector.py)
-- ARGV[3] cursor of the count before, or ""   ARGV[4] the reason of jobs that are counted apart, or ""
-- Returns { now, jobs in that state, looked at, members left to look at, cursor or "" at the end, how many are
--   selected, how many of these have that reason }
-- First write: none
local MOST_READ = 500
local q, now = prefix(KEYS[1]), clock(ARGV[1])
local selected, apart, reason = 0, 0, ARGV[4]

local function add(job)
  selected = selected + 1
  if reason ~= '' and redis.pcall('HGET', job, 'reason') == reason then apart = apart + 1 end
end

local total, looked, left, cursor = go_through(q, now, cjson.decode(ARGV[2]), ARGV[3], MOST_READ, add)
return { now, total, looked, left, cursor, selected, apart }
