--: include core scheduled
-- The gate of a limit. While a limit holds any job back, it has an entry "starts next" in `gates` (how many jobs it
-- let start meanwhile, and which one it has sent to `ready` that did not start yet), and a timer, the member
-- "~<limit>" of `scheduled`. Ids cannot begin with "~".
-- Gives: number_text, limits_of, has_gates, read_gate, write_gate, set_timer, close_gate_if_unused

local are_gates = {}  -- q → whether there are, as asked once a call

-- Of a number that comes often in one call: Redis takes longer to write it than for most commands.
local written = {}
local function number_text(number)
  written[number] = written[number] or digits(number)
  return written[number]
end

-- text: the job's field `limits`, "-" when it has none. kind: "r" a rate, at most `most` starts in any window
-- of `window` ms; "c" at most `most` running at once. Returns all, and whether the text is that of one.
local function limits_of(text)
  if type(text) ~= 'string' then return {} end
  local kind, most, window, name = string.match(text, '^([rc]) (%d+) (%d+) (%S+)$')
  if kind and #most <= 15 and #window <= 15 then
    return { { kind = kind, most = tonumber(most), window = tonumber(window), name = name } }, true
  end
  local limits = {}
  for kind, most, window, name in string.gmatch(text, '(%a) (%d+) (%d+) (%S+)') do
    limits[#limits + 1] = { kind = kind, most = tonumber(most), window = tonumber(window), name = name }
  end
  return limits
end

-- Whether limits of the queue hold any job back, or did in this call. Where none does, none is to be asked.
local function has_gates(q)
  if are_gates[q] == nil then are_gates[q] = redis.call('EXISTS', q .. 'gates', q .. 'held') > 0 end
  return are_gates[q]
end

-- Returns starts and next, both nil when there is no gate; next is nil when nobody is on its way.
local function read_gate(q, name)
  local gate = redis.pcall('HGET', q .. 'gates', name)
  local starts, going = string.match(type(gate) == 'string' and gate or '', '^(%d+) (.*)$')
  return tonumber(starts or nil), going ~= '' and going or nil
end

local function write_gate(q, name, starts, going)
  are_gates[q] = true
  redis.pcall('HSET', q .. 'gates', name, digits(starts) .. ' ' .. (going or ''))
end

local function set_timer(q, name, at) set_alarm(q, '~' .. name, at) end

local function close_gate_if_unused(q, name)
  if redis.call('EXISTS', q .. 'held:' .. name) == 1 then return end
  redis.pcall('HDEL', q .. 'gates', name)
  redis.call('ZREM', q .. 'scheduled', '~' .. name)
end
