--: include core wake workers/dead_worker
-- Ends a worker in one queue: it leaves in order, or is known to be dead.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] worker id   ARGV[3] cause, for the history
-- ARGV[4] stacks of a hung worker, or ""   ARGV[5] share of a delay, 0.5 to 1 (see rules/outcome/unreported_delay.lua)
-- then the board as its daemon judges it (jobs/blame.py), triples: id, attempt, and one of
--   of what ran: "crashed" | "suspect <most> <scope>" | "hung": killed for its time limit | "cancelled": killed, since
--     it did not heed that | "interrupted": stopped, free | "neighbour": free, the worker ended for another job
--   of what had ended: "succeeded" | "failed" | "waiting <ms>"
-- Jobs of the active set that the board does not name (under the same attempt) were not started: free, in place.
-- Returns how many jobs it had in hand, or -1 when it had no lease; 30: there may be more, call again with the same
-- First write: ZREM, passes when Redis is full; none when it had no lease
local q, now, worker = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
if not redis.call('ZSCORE', q .. 'leases', worker) then return -1 end
allow_when_full(q)
local board = {}
for i = 6, #ARGV, 3 do board[ARGV[i]] = { ARGV[i + 1], ARGV[i + 2] } end
local end_of = { cause = ARGV[3], stack = ARGV[4] ~= '' and ARGV[4] or nil, share = tonumber(ARGV[5]) }
local left = end_worker(q, now, worker, board, end_of, MOST_ENDED)
update_wake(q)
if left > 0 then wake_watcher(q, now) end
return left
