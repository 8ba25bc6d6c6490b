--: include coalescing_key limits/start
-- Jobs go from ready, or from suspects, into a worker's hands.
-- Gives: new_batch, hand_out, move_batch

-- What one look finds to be taken. leaving, entering: of the set and of the active
-- set; found: for the answer, flat, six items a job; limited: the one with limits, id, attempt and limits.
local function new_batch() return { leaving = {}, entering = {}, found = {}, limited = nil } end

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
  if #limits > 0 then batch.limited = { id, attempt, limits } end
  local extra = f and { f.failures, f.timeout, f.keep, f.key, f.limits, f.suspect, f.uncleaned, f.max_attempts, f.hung,
    f.since, f.snoozes, f.flow and redis.call('HMGET', q .. 'job:' .. id, 'flow', 'previous', 'batch') or false }
  found[n + 1], found[n + 2], found[n + 3], found[n + 4] = index, id, attempt, name
  found[n + 5], found[n + 6] = payload or '', extra or false
end

-- Moves what was found, and adds it to the answer: only now, since what is answered is in the worker's hands. Returns
-- whether a limit of the one with limits holds others back. The batch may be filled anew.
local function move_batch(q, now, batch, from, active, jobs)
  if #batch.entering > 0 then redis.call('ZADD', active, unpack(batch.entering)) end
  if #batch.leaving > 0 then redis.call('ZREM', q .. from, unpack(batch.leaving)) end
  local before, limited, fine, holds_others = #jobs, batch.limited, true, false
  -- What others hold up is not its fault.
  if limited then fine, holds_others = pcall(start, q, now, unpack(limited)) end
  for i, item in ipairs(batch.found) do jobs[before + i] = item end
  batch.leaving, batch.entering, batch.found, batch.limited = {}, {}, {}, nil
  return holds_others or not fine
end
