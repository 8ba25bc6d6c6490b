--: include core wake waiting/answer flow/and_leaving
-- An answer for a job that waits for a third party, or will.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] job id   ARGV[3] token, or ""
-- ARGV[4] "result" | "failed"    ARGV[5] the result as JSON, or the error
-- Returns { "resolved" | "early" | "unknown" | "late" | "token" | "answered" | the state the job is in, see
--   rules/waiting/answer.lua; and the word of rules/flow/and_leaving.lua }
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)
local done = resolve(q, now, ARGV[2], ARGV[3], ARGV[4], ARGV[5], true)
update_wake(q)
return and_leaving(q, { done })
