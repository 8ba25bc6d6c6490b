--: include wake trip/nothing trip/standing trip/report trip/serve
-- A whole trip that passes by what has nothing asks of many queues together whether there is anything: so it costs as
-- much as there are queues with something.
-- Gives: serve_filled

local WORK, ANY = { 'ready', 'inbox' }, { 'ready', 'inbox', 'scheduled' }

-- Where that cannot be told (a key of the wrong type) it is not: serve mends it.
local function is_for_later(t, i)
  if count_keys(t.queues, i, i, WORK) > 0 then return false end
  local fine, wait = pcall(ask_again_at, t.queues[i], t.now)
  return fine and wait ~= 0
end

-- Serves a queue that has something, unless that is only for later in a trip that goes on.
local function enter(t, i)
  local q = t.queues[i]
  if t.taken[i] or t.early and is_for_later(t, i) then return end
  local standing, taken = standing_in(q, t.worker, t.trip)
  if standing > 0 then
    t.refusals[standing] = true
    return
  end
  t.taken[i] = taken
  report(t, i)
  serve(t, i)
end

local function is_enough(t) return t.early and (t.want <= 0 or t.stop) end

-- Halves what is left until it knows which it is. there: how many keys there are, nil when nobody has counted.
local function serve_filled(t, first, last, there)
  if first > last or is_enough(t) then return end
  there = there or count_keys(t.queues, first, last, ANY)
  if there <= 0 then return end
  if first == last then return enter(t, first) end
  local middle = math.floor((first + last) / 2)
  local before = count_keys(t.queues, first, middle, ANY)
  serve_filled(t, first, middle, before)
  serve_filled(t, middle + 1, last, there - before)
end
