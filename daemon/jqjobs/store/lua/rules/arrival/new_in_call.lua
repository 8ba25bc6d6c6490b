--: include arrival/newcomers
-- How many of the jobs that ARGV names (enqueue.lua) would be new.
-- Gives: count_new

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
