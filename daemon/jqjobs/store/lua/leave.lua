--: include core wake workers/dead_worker
-- Ends a worker in one queue: it leaves in order, or is known to be dead.
-- KEYS[1] the queue's meta key
-- ARGV[1] now, ms, or ""   ARGV[2] worker id
-- ARGV[3] mode: what a job that was running is charged: "crash" | "suspect" (its daemon died too) |
--         "hung" (killed for its time limit) | "cancelled" (killed, since it did not heed that) | "interrupt"
-- ARGV[4] cause, for the history   ARGV[5] stacks of a hung worker, or ""
-- then the board, triples: id, attempt, "running" | "succeeded" | "failed" | "waiting <ms>" |
-- "interrupted": it was running too when its worker was killed for another one
-- Jobs of the active set that the board does not name (under the same attempt) were not started: free, in place.
-- Returns how many jobs it had in hand, or -1 when it had no lease
-- First write: ZREM, passes when Redis is full; none when it had no lease
local q, now, worker = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
if not redis.call('ZSCORE', q .. 'leases', worker) then return -1 end
allow_when_full(q)
local board = {}
for i = 6, #ARGV, 3 do board[ARGV[i]] = { ARGV[i + 1], ARGV[i + 2] } end
local left = end_worker(q, now, worker, ARGV[3], board, ARGV[4], ARGV[5] ~= '' and ARGV[5] or nil)
update_wake(q)
return left
