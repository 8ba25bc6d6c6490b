--: include core in_hand limits/held outcome/succeeded workers/hands
-- Reads one job. Its state is the set it is a member of; no field repeats it.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] job id
-- Returns { 1 if it is among the last that succeeded, else 0, dead jobs trimmed, the queue it was moved to or nil }
-- when there is no such job, else { now, state, score in that state, worker id or "",
-- hash fields and values (flat; a later pair overrides an earlier one), history lines }
-- state: the set it is in, or "active", or "lost": it is in none
-- First write: none
local q, now, id = prefix(KEYS[1]), clock(ARGV[1]), ARGV[2]
local job = q .. 'job:' .. id
local hash = redis.pcall('HGETALL', job)
if hash.err then hash = { 'error', 'its record is no hash' } end
if #hash == 0 or hash[1] == 'moved' then
  return { has_succeeded(q, id) and 1 or 0, redis.call('HGET', q .. 'meta', 'trimmed') or 0, hash[2] or false }
end
local history = redis.pcall('LRANGE', job .. ':history', 0, -1)
if history.err then history = {} end
local function put(name, value) hash[#hash + 1], hash[#hash + 2] = name, value end

-- How often others have passed a held job by is written when it leaves.
if redis.call('ZSCORE', q .. 'held', id) then
  local limit, passed, costs = read_held(q, id)
  local f = redis.pcall('HMGET', job, 'throttles', 'failures')
  put('throttles', digits((tonumber(f[1]) or 0) + (passed or 0)))
  if costs then put('failures', digits((tonumber(f[2]) or 0) + passed)) end
  put('held_by', limit or '')
end
for _, state in ipairs({ 'ready', 'scheduled', 'held', 'waiting', 'parked', 'suspects', 'dead', 'kept', 'transfers' })
do
  local score = redis.call('ZSCORE', q .. state, id)
  if score then return { now, state == 'transfers' and 'moving' or state, score, '', hash, history } end
end
local member = member_in_hand(id, redis.pcall('HGET', job, 'attempt'))
local worker, rank = who_has(q, member)
if not worker then return { now, 'lost', '0', '', hash, history } end
put('attempt', string.match(member, '%d+$'))
put('taken', taken_at(redis.call('GET', q .. 'trip:' .. worker)))
return { now, 'active', rank, worker, hash, history }
