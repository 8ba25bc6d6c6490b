-- Who waits for a limit. A job that a limit holds back is in `held` (its state) and in `held:<limit>`, in both
-- by rank. While anybody waits for a limit, it has a gate: an entry "starts next" in `gates` (how many jobs the
-- limit let start meanwhile, and which one it has sent to `ready` that did not start yet), and a timer, the
-- member "~<limit>" of `scheduled`. Ids cannot begin with "~".

-- text: the job's field `limits`, "-" when it has none. kind: "r" a rate, at most `most` starts in any window
-- of `window` ms; "c" at most `most` running at once.
local function limits_of(text)
  local limits = {}
  for kind, most, window, name in string.gmatch(text or '', '(%a) (%d+) (%d+) (%S+)') do
    limits[#limits + 1] = { kind = kind, most = tonumber(most), window = tonumber(window), name = name }
  end
  return limits
end

-- Returns starts and next, both nil when there is no gate; next is nil when nobody is on its way.
local function read_gate(q, name)
  local starts, going = string.match(redis.call('HGET', q .. 'gates', name) or '', '^(%d+) (.*)$')
  return tonumber(starts or nil), going ~= '' and going or nil
end

local function write_gate(q, name, starts, going)
  redis.call('HSET', q .. 'gates', name, digits(starts) .. ' ' .. (going or ''))
end

local function set_timer(q, name, at) set_alarm(q, '~' .. name, at) end

local function close_gate_if_unused(q, name)
  if redis.call('EXISTS', q .. 'held:' .. name) == 1 then return end
  redis.call('HDEL', q .. 'gates', name)
  redis.call('ZREM', q .. 'scheduled', '~' .. name)
end

-- rest: how often a limit may yet hold it back, nil for any number. costs: each time counts as a failure too.
-- Returns what read_gate said before.
local function enter_held(q, id, rank, limit, rest, costs)
  local starts, going = read_gate(q, limit.name)
  if not starts then write_gate(q, limit.name, 0) end
  local since = starts or 0
  redis.call('ZADD', q .. 'held', rank, id)
  redis.call('ZADD', q .. 'held:' .. limit.name, rank, id)
  local entry = table.concat({ digits(since), digits(limit.most), costs and 1 or 0, limit.name }, ' ')
  redis.call('HSET', q .. 'job:' .. id, 'held', entry)
  if rest then redis.call('ZADD', q .. 'patience:' .. limit.name, since + rest * limit.most, id) end
  return starts, going
end

-- Of a job that is held: the limit, how often others passed it by (each time as many as the limit lets
-- through have started since), and whether that counts as failures.
local function wait_of(q, id)
  local held = redis.call('HGET', q .. 'job:' .. id, 'held')
  local since, most, costs, name = string.match(held or '', '^(%d+) (%d+) (%d) (.+)$')
  if not since then return end
  return name, math.floor(((read_gate(q, name) or 0) - tonumber(since)) / tonumber(most)), costs == '1'
end

-- Takes a job out of `held`, whoever wants it: a limit, a person. Returns its rank, nil when it is not held,
-- and the limit.
local function leave_held(q, id)
  local rank = redis.call('ZSCORE', q .. 'held', id)
  if not rank then return end
  redis.call('ZREM', q .. 'held', id)
  local name, passed, costs = wait_of(q, id)
  if not name then return rank end
  redis.call('ZREM', q .. 'held:' .. name, id)
  redis.call('ZREM', q .. 'patience:' .. name, id)
  local job = q .. 'job:' .. id
  redis.call('HDEL', job, 'held')
  if passed > 0 then
    redis.call('HINCRBY', job, 'throttles', passed)
    if costs then redis.call('HINCRBY', job, 'failures', passed) end
  end
  close_gate_if_unused(q, name)
  return rank, name
end
