--: include core
-- Members of a batch, page by page; one that is there from first to last is told at least once.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   ARGV[2] id   ARGV[3] "open", "dead" or "kept"
-- ARGV[4] cursor of the page before, "0" to begin with
-- Returns { cursor, "0" at the end; members, each "queue/id" as it was added; where each is now, as "queue/id" }
-- First write: none
local PAGE = 200
local batch = prefix(KEYS[1]) .. 'batch:' .. ARGV[2]
local page = redis.call('SSCAN', batch .. ':' .. ARGV[3], ARGV[4], 'COUNT', PAGE)
local members = page[2]
local places = #members > 0 and redis.call('HMGET', batch .. ':at', unpack(members)) or {}
for i, member in ipairs(members) do places[i] = places[i] or member end
return { page[1], members, places }
