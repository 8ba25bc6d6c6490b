--: include core signs_of_life
-- A daemon is still there, and what it said of itself and its workers is true, but for what it says now.
-- KEYS[1] jq:{~}:daemons   KEYS[2] jq:{~}:daemon:<id>   KEYS[3…] jq:{~}:worker:<id> of which it says something
-- ARGV[1] now, ms, or ""   ARGV[2] time to live, ms   ARGV[3] daemon id
-- ARGV[4] its field "said": the number of what it said last; then for KEYS[2] and each further key: number of items,
-- then names and values of fields that are new; for a worker that is gone none
-- Returns 1 | 2: somebody registered later than now, so the clock was set back | 0: what it said is not there, or not
--   whole (another type, another server, FLUSHALL): nothing is written, it is to register
-- First write: PEXPIRE, passes when Redis is full; none when the answer is 0
local now, ttl, daemon = clock(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local known = redis.pcall('HMGET', KEYS[2], 'said', 'workers')
if known.err or known[1] ~= ARGV[4] then return 0 end
local ahead = heard_ahead(KEYS[1], now)
if ahead.err then return 0 end
local workers, root = {}, string.sub(KEYS[1], 1, -8)
for id in string.gmatch(known[2] or '', '%S+') do workers[#workers + 1] = root .. 'worker:' .. id end
if #workers > 0 and redis.call('EXISTS', unpack(workers)) < #workers then return 0 end
redis.call('PEXPIRE', KEYS[2], ttl)
set_back(KEYS[1], now, ahead)
local at = 5
if ARGV[at] == '0' then at = at + 1 else at = write_entry(KEYS[2], at, ttl) end
for i = 3, #KEYS do at = write_entry(KEYS[i], at) end
redis.call('ZADD', KEYS[1], now, daemon)
return #ahead > 0 and 2 or 1
