--: include flow/begin flow/telling
-- Every way out of a job with a batch or a successor passes here; `flow` of its record says that it has one: "t" what
-- is to come after it, "b" a batch, "p" what the step before has returned. All other jobs have no such field.
-- Gives: flow_succeeds, flow_turns

local MOST_PREVIOUS = 65536

-- It is told before anything of the record goes. result: as JSON, or nil.
local function flow_succeeds(q, now, id, flow, result, is_kept)
  if string.find(flow, 't', 1, true) then
    local f = redis.call('HMGET', q .. 'job:' .. id, 'then', 'step', 'batch')
    local number = tonumber(f[2]) or 1
    local root = number > 1 and string.sub(id, 1, -2 - #f[2]) or id
    local previous = result and #result <= MOST_PREVIOUS and result or nil
    local next_id = root .. '.' .. number + 1
    local has_begun, is_here = begin_steps(q, now, root, number + 1, f[1], f[3] or nil, previous)
    if not has_begun then return tell_batch(q, now, id, 'gone') end
    return is_here and f[3] and tell_place(q, now, next_id)
  end
  tell_batch(q, now, id, is_kept and 'kept' or 'done')
end

-- what: dead | again | gone. Where no record can be read, there is nothing to be told.
local function flow_turns(q, now, id, what)
  local flow = redis.pcall('HGET', q .. 'job:' .. id, 'flow')
  if type(flow) == 'string' and string.find(flow, 'b', 1, true) then tell_batch(q, now, id, what) end
end
