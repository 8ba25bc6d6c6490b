--: include damaged statistics outcome/dead limits/let_go limits/admit
-- What stands in ready and cannot be taken: damaged, without a record, expired, or held back by a limit.
-- Gives: move_aside

-- fine: whether it could be read; if not, name is the problem. f: see read_job. Returns whether it left ready, and
-- whether somebody else may have come to ready for it, and before others.
local function move_aside(q, now, id, rank, limits, fine, name, f)
  local is_late = fine and name and f.expires and (tonumber(f.expires) or now) <= now
  if fine and name and not is_late then
    if #limits == 0 then return false, false end
    local may_start, passes_on = admit(q, now, id, name, rank, limits)
    return not may_start, passes_on
  end
  redis.call('ZREM', q .. 'ready', id)
  if not fine then
    unless_damaged(q, now, id, function() error(name, 0) end)
  elseif not name then
    redis.call('DEL', q .. 'job:' .. id)
  else
    redis.call('HSET', q .. 'job:' .. id, 'error', 'it was not started before it expired')
    count_unreported(q, now, id, 'expired')
    die(q, now, id, 'expired', f.key)
    pass_on(q, now, id, limits)
  end
  return true, #limits > 0
end
