--: include queue_name flow/begin_job flow/steps
-- Steps of a chain begin, each when the one before it has succeeded.
-- Gives: begin_steps

local KEEP_MS = 604800000  -- of a batch that a chain makes

-- A list is a batch of this queue, and what comes after it is what its success calls for: not if a member cannot begin.
-- previous: what each member gets, or nil.
local function begin_list(q, now, id, members, rest, previous)
  local batch, begun = q .. 'batch:' .. id, 0
  local more = previous and { 'flow', 'bp', 'previous', previous } or { 'flow', 'b' }
  for i, raw in ipairs(members) do
    local member = id .. '.' .. i
    local name = queue_of(q) .. '/' .. member
    if begin_job(q, now, member, raw, more, queue_of(q) .. '/' .. id .. ' ' .. name .. ' 1') then
      redis.call('SADD', batch .. ':open', name)
      begun = begun + 1
    end
  end
  if begun == 0 then return false end
  redis.call('HSET', batch, 'created', now, 'opened', 'chain', 'expected', begun, 'total', begun, 'keep', KEEP_MS,
    'on_dead', 'wait', 'then', rest)
  if begun < #members then redis.call('HSET', batch, 'failed', now) end
  redis.call('ZADD', q .. 'batches', '+inf', id)
  return true
end

-- text: as steps.lua has it. root, number: of the first of them, which make its id. batch: that field of the job
-- before, or nil, which a list cannot carry on; previous: what that has returned, as JSON, or nil; caller: the batch
-- that calls for them, or nil. Returns as begin_job does.
local function begin_steps(q, now, root, number, text, batch, previous, caller)
  local step, rest = first_step(text)
  local id, members = number > 1 and root .. '.' .. number or root, members_of(step)
  if members and redis.call('EXISTS', q .. 'batch:' .. id) == 1 then return refuse_taken(q, now, id, step) end
  if members then return not batch and begin_list(q, now, id, members, rest, previous) end
  local flow = (rest ~= '' and 't' or '') .. (batch and 'b' or '') .. (previous and 'p' or '')
  local more = { 'step', number, 'flow', flow }
  local function put(name, value) more[#more + 1], more[#more + 2] = name, value end
  if rest ~= '' then put('then', rest) end
  if previous then put('previous', previous) end
  if caller then put('caller', caller) end
  return begin_job(q, now, id, step, more, batch)
end
