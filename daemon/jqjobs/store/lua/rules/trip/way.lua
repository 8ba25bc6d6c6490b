--: include trip/nothing trip/standing trip/report trip/serve trip/look
-- Where a whole trip goes: to all queues in their order. With the word "pass" it passes by those that have nothing and
-- are not reported to; with "early" too it passes by what a queue has for later, and the rest once it has enough, as
-- long as it brings any job.
-- Gives: set_out, go

local SUSPECTS = { 'suspects' }

-- Notes where it goes in any case. Where nothing is reported that is the first queue, so that a trip that comes again
-- is refused.
local function plan(t)
  find_parts(t)
  t.passes = string.find(t.words, 'pass') and not (t.suspects and count_keys(t.queues, 1, #t.queues, SUSPECTS) > 0)
  t.early = t.passes and string.find(t.words, 'early')
  local reports = false
  for i = 1, #t.queues do
    t.due[i] = t.reports[i] or not t.passes
    reports = reports or t.reports[i]
  end
  t.due[1] = t.due[1] or not reports
end

-- Returns 0 when the trip may begin, what is reported being settled; else why not, see standing_in.
local function set_out(t)
  plan(t)
  for i, q in ipairs(t.queues) do
    if t.due[i] then
      local standing, taken = standing_in(q, t.worker, t.trip)
      if standing > 0 then return standing end
      t.taken[i] = taken
    end
  end
  for i = 1, #t.queues do
    if t.due[i] then report(t, i) end
  end
  return 0
end

local function go(t)
  local first = 1
  for i = 1, #t.queues do
    if t.due[i] then
      serve_filled(t, first, i - 1)
      serve(t, i)
      first = i + 1
    end
  end
  serve_filled(t, first, #t.queues)
  if t.early and t.asked > 0 and #t.plain + #t.jobs == 0 then  -- its worker is idle, and others may rely on it
    t.early = nil
    serve_filled(t, 1, #t.queues)
  end
end
