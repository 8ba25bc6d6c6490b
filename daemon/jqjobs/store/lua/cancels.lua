--: include core
-- A daemon whose workers are busy asks which jobs in their hands somebody has cancelled, and whether envelopes wait.
-- KEYS[1] the queue's meta key   ARGV[1] now (not used)   then worker ids
-- Returns 1 if there is anything in the inbox, else 0, then three items a job: worker id, job id, attempt.
-- First write: none, or ZREM, passes when Redis is full
local MOST = 500                  -- of one worker; so many it can have in hand
local q = prefix(KEYS[1])
local reply = { redis.call('EXISTS', q .. 'inbox') }
if redis.call('EXISTS', q .. 'cancels') == 0 then return reply end
for i = 2, #ARGV do
  local worker = ARGV[i]
  -- "worker id attempt", all with the same score: those of one worker stand together.
  local first, last = '[' .. worker .. ' ', '(' .. worker .. '!'
  local found = redis.call('ZRANGE', q .. 'cancels', first, last, 'BYLEX', 'LIMIT', 0, MOST)
  for _, entry in ipairs(found) do
    local member = string.sub(entry, #worker + 2)
    if redis.call('ZSCORE', q .. 'active:' .. worker, member) then
      local n = #reply
      reply[n + 1] = worker
      reply[n + 2], reply[n + 3] = string.match(member, '(%S+) (%S+)')
    else
      redis.call('ZREM', q .. 'cancels', entry)  -- only of a damaged job: others take their entry along
    end
  end
end
return reply
