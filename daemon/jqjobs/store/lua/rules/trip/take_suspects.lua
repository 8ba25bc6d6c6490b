--: include limits/gate limits/opening trip/read_job trip/move_aside trip/hand_out
-- Hands suspects to a worker that has none in hand: as many as it can start at once and each of them allows. They are
-- in a set of their own, so that nobody waits behind them; a limit lets them start, or they stay: it holds none.
-- Gives: take_suspects

local MOST_LOOKED_AT = 50

-- Of a damaged field: alone, by any worker that takes suspects.
local function suspicion_of(f)
  local most, scope = string.match(f.suspect or '', '^(%-?%d+) (%d)$')
  return tonumber(most or 1), tonumber(scope or 1)
end

-- most: as many at once as those allow that are in the batch. Returns what it is with this one too, nil when it stays;
-- 0 or less for one that nothing is to be taken beside.
local function consider_suspect(t, q, batch, index, id, rank, most, got)
  local fine, name, payload, f = pcall(read_job, q .. 'job:' .. id)
  if fine and name and not f then fine, name = false, 'its field attempt is missing' end
  if not fine or not f or (f.expires and (tonumber(f.expires) or t.now) <= t.now) then
    redis.call('ZREM', q .. 'suspects', id)
    move_aside(q, t.now, id, rank, {}, fine, name, f)
    return
  end
  local own, scope = suspicion_of(f)
  local limits = limits_of(f.limits)
  local fits = got == 0 or got < math.min(own, most)
  if scope > tonumber(t.scope) or not fits or (#limits > 0 and #batch.limited > 0) then return end
  if refusal(q, t.now, limits, -math.huge) then return end
  hand_out(t, q, batch, index, id, rank, name, payload, f, limits)
  return math.min(own, most)
end

local function take_from_suspects(t, q, index)
  local waiting = redis.call('ZRANGE', q .. 'suspects', 0, MOST_LOOKED_AT - 1, 'WITHSCORES')
  local batch, got, most = new_batch(), 0, math.min(tonumber(t.suspects), t.want)
  for i = 1, #waiting, 2 do
    if got >= most or t.room < 0 then break end
    local allowed = consider_suspect(t, q, batch, index, waiting[i], waiting[i + 1], most, got)
    if allowed then got, most = got + 1, allowed end
  end
  move_batch(q, t.now, batch, 'suspects', q .. 'active:' .. t.worker, t.jobs)
  return got, most <= 0
end

-- t: the trip, see serve.lua; suspects: so many may it start at once; scope: of this one and narrower ones. Of one
-- queue a trip, each in its turn. A worker with one slot takes nothing beside them.
local function take_suspects(t)
  for n = 1, #t.queues do
    local i = (t.trip + n) % #t.queues + 1
    local q = t.queues[i]
    if not t.quiet[i] and redis.call('HEXISTS', q .. 'meta', 'paused') == 0 then
      local fine, got, alone = pcall(take_from_suspects, t, q, i)
      if fine and got > 0 then
        t.want, t.stop = t.want - got, alone or t.room < 0 or not string.find(t.words, 'free')
        return
      end
    end
  end
end
