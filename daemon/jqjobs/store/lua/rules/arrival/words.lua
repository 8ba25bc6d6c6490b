-- What is said of a run of new jobs beside id and payload (enqueue.lua).
-- Gives: read_words

-- at: where its words begin in ARGV, behind name and number of words. Returns it, and its priority and its group.
local function read_words(at, words, now)
  local new, fields = { name = ARGV[at - 2], priority = 0, due = '', fields = {} }, 0
  for n = at, at + words - 1, 2 do
    local word, value = ARGV[n], ARGV[n + 1]
    if word == 'expires' then value = now + value end
    if word == 'fair' then new.fair = value end
    if word == 'priority' or word == 'due' or word == 'key' or word == 'replace' or word == 'batch' then
      new[word] = value
    else
      new.fields[fields + 1], new.fields[fields + 2], fields = word, value, fields + 2
    end
  end
  return new, new.priority, new.fair
end
