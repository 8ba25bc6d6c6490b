--: include prelude limit_waiters outcomes waits
-- An answer for a job that waits for a third party, or will.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] job id   ARGV[3] token, or ""
-- ARGV[4] "result" | "failed"    ARGV[5] the result as JSON, or the error
-- Returns one word, see `resolve` in waits.lua.
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)
local done = resolve(q, now, ARGV[2], ARGV[3], ARGV[4], ARGV[5], true)
update_wake(q)
return done
