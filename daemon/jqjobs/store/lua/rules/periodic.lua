--: include core
-- Periodic schedules: `schedule` has what workers publish, `ticks` how far each one got, `paused` which ones rest.
-- A schedule lives as long as somebody offers it: the member "~queue/name" of `offers`. Names cannot begin with "~".
-- The number `agenda` in `meta` grows with every change, so that daemons need not read it all again.
-- Gives: offer_of, is_offered, agenda_changed, progress_of, count_from, schedule_entry

local function offer_of(q, name) return '~' .. string.match(q, '{(.*)}') .. '/' .. name end

local function is_offered(q, now, name)
  return (tonumber(redis.call('ZSCORE', q .. 'offers', offer_of(q, name)) or nil) or 0) > now
end

local function agenda_changed(q) redis.call('HINCRBY', q .. 'meta', 'agenda', 1) end

-- How far it got is "since ran id": ticks after `since` are still to come, `ran` is the last one that was enqueued
-- (0: none), as job `id`. Returns since (text, nil when nothing is known), ran and id.
local function progress_of(q, name)
  local since, ran, id = string.match(redis.call('HGET', q .. 'ticks', name) or '', '^(%d+) (%d+) ?(%S*)$')
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
