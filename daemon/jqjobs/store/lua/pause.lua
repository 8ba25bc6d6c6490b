--: include core scheduled wake pausing
-- Pauses or resumes one queue. Paused: nothing is taken; running jobs go on, new ones are accepted.
-- KEYS[1] the queue's meta key   ARGV[1] now, ms, or ""   ARGV[2] "pause" | "resume"
-- ARGV[3] until when: "+ms" from now, "ms" absolute, "" until somebody resumes it   ARGV[4] who   ARGV[5] why
-- Returns 1 when that changed something, 0 when it was so already
-- What is paused already gets another end, or another reason, if that is given, and keeps what is not.
-- First write: ZREM, passes when Redis is full
local q, now = prefix(KEYS[1]), clock(ARGV[1])
allow_when_full(q)

-- until_ms: nil for a pause that somebody ends.
local function note_pause(since, until_ms, who, why)
  local moments = since .. ' ' .. (until_ms and digits(until_ms) or '')
  redis.call('HSET', q .. 'meta', 'pause_note', moments .. ' ' .. who .. '\n' .. why)
  redis.call('ZREM', q .. 'scheduled', PAUSE_TIMER)
  if until_ms then set_alarm(q, PAUSE_TIMER, until_ms) end
end

local changed
if ARGV[2] == 'pause' then
  changed = redis.call('HSETNX', q .. 'meta', 'paused', now)
  redis.call('HDEL', q .. 'meta', 'served')  -- who takes must see that
  if changed == 1 or ARGV[3] .. ARGV[5] ~= '' then
    local since, until_ms, _, why = read_pause(q)
    if ARGV[3] ~= '' then until_ms = due_moment(now, ARGV[3]) end
    note_pause(since, until_ms, ARGV[4], ARGV[5] ~= '' and ARGV[5] or why or '')
    changed = 1
  end
else
  changed = resume(q)
end
update_wake(q)
return changed
