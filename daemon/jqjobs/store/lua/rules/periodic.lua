--: include core offers
-- Periodic schedules: `schedule` has what workers publish, `ticks` how far each one got, `paused` which ones rest.
-- A schedule lives as long as somebody offers it: "~queue/name" (offers.lua). Names cannot begin with "~".
-- Beside it "~queue/name app" says which app does, for as long: two of them do not know of each other.
-- The number `agenda` in `meta` grows with every change, so that daemons need not read it all again.
-- Gives: offer_of, is_offered, apps_by_offer, agenda_changed, progress_of, count_from, schedule_entry, times_of

-- app: which one offers it; nil: any.
local function offer_of(q, name, app)
  return '~' .. string.match(q, '{(.*)}') .. '/' .. name .. (app and ' ' .. app or '')
end

local function is_offered(q, now, name, app) return is_on_offer(q, now, offer_of(q, name, app)) end

-- "~queue/name" → the apps that offer it now, with a space between them.
local function apps_by_offer(q, now)
  local apps, seen = {}, {}
  each_offer(q, now, function(offer)
    local of, app = string.match(offer, '^(~%S+) (%S+)$')
    if of and not seen[offer] then apps[of] = (apps[of] and apps[of] .. ' ' or '') .. app end
    seen[offer] = true
  end)
  return apps
end

local LONGEST_MOMENT = 14  -- digits of ms: beyond the year 5000

local function agenda_changed(q) redis.call('HINCRBY', q .. 'meta', 'agenda', 1) end

-- How far it got is "since ran id": ticks after `since` are still to come, `ran` is the last one that was enqueued
-- (0: none), as job `id`. Returns since (text, nil when nothing is known), ran and id.
local function progress_of(q, name)
  local since, ran, id = string.match(redis.call('HGET', q .. 'ticks', name) or '', '^(%d+) (%d+) ?(%S*)$')
  if since and #since > LONGEST_MOMENT then return nil, '0', '' end  -- nobody can have got so far
  return since, ran or '0', id or ''
end

local function count_from(q, name, since)
  local _, ran, id = progress_of(q, name)
  redis.call('HSET', q .. 'ticks', name, digits(since) .. ' ' .. ran .. ' ' .. id)
end

local function schedule_entry(raw)
  local readable, entry = pcall(cjson.decode, raw or '')
  return readable and type(entry) == 'table' and entry or nil
end

-- When it comes, in words that can be compared.
local function times_of(raw)
  local entry = schedule_entry(raw) or {}
  return table.concat({ tostring(entry.cron), tostring(entry.every_ms), tostring(entry.tz) }, ' ')
end
