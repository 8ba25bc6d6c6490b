--: include core mend
-- Posts one message of remote control: an order to a daemon, or a daemon's answer to who asked. A list that nobody
-- reads stays short and expires.
-- KEYS[1] jq:{~}:control:<daemon> or jq:{~}:answer:<nonce>
-- ARGV[1] now, ms, or ""   ARGV[2] most messages kept: the oldest go, at least 2   ARGV[3] time to live, ms
-- ARGV[4] the message: a JSON object as text, not empty; it gets "at_ms", the time of Redis
-- Returns how many messages the list has now
-- First write: LTRIM, passes when Redis is full
local now, most, ttl, message = clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
set_aside(KEYS[1], 'list')
redis.call('LTRIM', KEYS[1], 1 - most, -1)
local length = redis.call('RPUSH', KEYS[1], string.sub(message, 1, -2) .. ',"at_ms":' .. digits(now) .. '}')
redis.call('PEXPIRE', KEYS[1], ttl)
return length
