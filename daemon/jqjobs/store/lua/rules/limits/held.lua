--: include core limits/gate
-- Jobs that a limit holds back: in `held` (their state) and in `held:<limit>`, in both by rank.
-- Gives: enter_held, read_held, leave_held

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
local function read_held(q, id)
  local held = redis.pcall('HGET', q .. 'job:' .. id, 'held')
  local since, most, costs, name = string.match(type(held) == 'string' and held or '', '^(%d+) (%d+) (%d) (.+)$')
  if not since or tonumber(most) == 0 then return end
  return name, math.floor(((read_gate(q, name) or 0) - tonumber(since)) / tonumber(most)), costs == '1'
end

-- Takes a job out of `held`, whoever wants it: a limit, a person. Returns its rank, nil when it is not held,
-- and the limit.
local function leave_held(q, id)
  local rank = redis.call('ZSCORE', q .. 'held', id)
  if not rank then return end
  redis.call('ZREM', q .. 'held', id)
  local name, passed, costs = read_held(q, id)
  if not name then return rank end
  redis.call('ZREM', q .. 'held:' .. name, id)
  redis.call('ZREM', q .. 'patience:' .. name, id)
  local job = q .. 'job:' .. id
  redis.call('HDEL', job, 'held')
  if passed > 0 then
    redis.pcall('HINCRBY', job, 'throttles', passed)
    if costs then redis.pcall('HINCRBY', job, 'failures', passed) end
  end
  close_gate_if_unused(q, name)
  return rank, name
end
