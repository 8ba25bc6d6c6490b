--: include length arrival/newcomers partitions
-- Whether there is room for those of the jobs that ARGV names (enqueue.lua) which would be new.
-- Gives: refuse_too_many

local function count_new(q)
  local is_new, found, at = newcomers(q), 0, 3
  while ARGV[at] do
    local jobs, words, key = tonumber(ARGV[at]), tonumber(ARGV[at + 2]), nil
    for n = at + 3, at + 2 + words, 2 do
      if ARGV[n] == 'key' then key = ARGV[n + 1] end
    end
    at = at + 3 + words
    for n = at, at + 2 * jobs - 2, 2 do
      if is_new(ARGV[n], key) then found = found + 1 end
    end
    at = at + 2 * jobs
  end
  return found
end

-- total: so many jobs are named. Returns what is answered when there is no room, or they belong elsewhere; else nil. A
-- queue without `settings` need not be asked.
local function refuse_too_many(q, total)
  local elsewhere = partitions_of(q)
  if elsewhere then return count_new(q) > 0 and redis.error_reply('REPARTITIONED ' .. elsewhere) or nil end
  local room, most = room_for_jobs(q)
  if room and room < total and room < count_new(q) then return is_full(most) end
end
