--: include coalescing_key limits/start
-- Jobs go from ready, or from suspects, into a worker's hands.
-- Gives: new_batch, depends_on, hand_out, move_batch

local EXTRA = { 'since', 'limits', 'failures', 'timeout', 'keep', 'key', 'suspect', 'uncleaned', 'max_attempts', 'hung',
  'snoozes', 'flow' }

-- What one look finds to be taken. leaving, entering: of the set and of the active set; found: for the answer, flat,
-- six items a job; limited: those with limits, each id, attempt and limits; names: of these limits.
local function new_batch() return { leaving = {}, entering = {}, found = {}, limited = {}, names = {} } end

-- Whether a job may start depends on what the batch has of its limits.
local function depends_on(batch, limits)
  for _, limit in ipairs(limits) do
    if batch.names[limit.name] then return true end
  end
end

-- What a worker is told of a job that is not plain. A nil would end the answer, so those at its end are left out.
local function extra_of(f)
  local extra = {}
  for i = #EXTRA, 1, -1 do
    if f[EXTRA[i]] or extra[i + 1] ~= nil then extra[i] = f[EXTRA[i]] or false end
  end
  if f.flow then extra[#EXTRA] = { f.flow, f.previous or false, f.batch or false } end
  return extra
end

-- t: the trip, see serve.lua. f, limits: see read_job, limits_of.
local function hand_out(t, q, batch, index, id, rank, name, payload, f, limits)
  local leaving, entering, found, n = batch.leaving, batch.entering, batch.found, #batch.found
  local attempt = f and (tonumber(f.attempt) or 0) + 1 or 1
  leaving[#leaving + 1] = id
  entering[#entering + 1], entering[#entering + 2] = rank, attempt == 1 and id .. ' 1' or id .. ' ' .. attempt
  t.room = t.room - #(payload or '')
  if f and f.coalesce == 'queued' then
    free_key(q, id, f.key)
    f.key = false  -- of no use to the worker, whose report can be the short one
  end
  if #limits > 0 then batch.limited[#batch.limited + 1] = { id, attempt, limits } end
  for _, limit in ipairs(limits) do batch.names[limit.name] = true end
  found[n + 1], found[n + 2], found[n + 3], found[n + 4] = index, id, attempt, name
  found[n + 5], found[n + 6] = payload or '', f and extra_of(f) or false
end

-- Moves what was found, and adds it to the answer: only now, since what is answered is in the worker's hands. Returns
-- whether a limit of those with limits holds others back. The batch may be filled anew.
local function move_batch(q, now, batch, from, active, jobs)
  local n, entering, before, holds_others = #batch.entering, {}, #jobs, false
  for i = 1, n, 2 do entering[n - i], entering[n - i + 1] = batch.entering[i], batch.entering[i + 1] end
  if n > 0 then redis.call('ZADD', active, unpack(entering)) end  -- last one first, as in move_head.lua
  if #batch.leaving > 0 then redis.call('ZREM', q .. from, unpack(batch.leaving)) end
  for _, limited in ipairs(batch.limited) do
    local fine, holds = pcall(start, q, now, unpack(limited))  -- what others hold up is not its fault
    if holds or not fine then holds_others = true end
  end
  for i, item in ipairs(batch.found) do jobs[before + i] = item end
  batch.leaving, batch.entering, batch.found, batch.limited, batch.names = {}, {}, {}, {}, {}
  return holds_others
end
