--: include ranks arrival/ready arrival/said turns/last turns/all_groups
-- The new jobs of one call, run by run: those of a run differ in id and payload only (enqueue.lua).
-- Gives: add_runs

-- sequence: number of the job before the first. has_groups: groups take turns in the queue. rare: builds what jobs need
-- of which more is said, see said.lua. Returns what enqueue.lua does; wakes nobody.
local function add_runs(q, now, sequence, has_groups, rare)
  local call, argv, job, rules, reply, ready, number, at = redis.call, ARGV, q .. 'job:', nil, {}, {}, 0, 3
  local n, knows_groups = 0, false  -- #ready: to have it counted takes as long as to write there
  has_turns[q] = has_groups
  while argv[at] do
    local last, name, words, said, more = number + argv[at], argv[at + 1], tonumber(argv[at + 2]), at + 3, nil
    local priority, group, has_more = read_said(said, words)
    if not priority then
      rules = rules or rare()
      more, priority, group = rules.read_words(said, words, now)
    end
    if group and not knows_groups then knows_groups = read_all_groups(q, said - 3) end
    -- Turns that begin look at all that waits.
    if group and n > 0 and not have_begun(priority) then ready, n = write_ready(q, ready), 0 end
    local is_grouped, ranks, first, before, given, turns, member = words == 2 and group, nil, nil, nil, 0, nil, nil
    at = said + words
    while number < last do
      local id, payload, made = argv[at], argv[at + 1], 1
      number, at = number + 1, at + 2
      if more then
        local fine
        more.id, more.payload = id, payload
        fine, made, id = pcall(rules.add, q, tonumber(now), sequence + number, more, ready)
        n = #ready
        if not fine then
          write_ready(q, ready)  -- what came before it is stored
          error(made, 0)
        end
      elseif call('EXISTS', job .. id) == 1 then
        made = 0
      else
        if not ranks then
          first, turns, member = turn_before(q, priority, group, sequence + number)
          first = first and first + 1 or rank_for(priority, sequence + number)
          ranks, before = ranks_of_run(first, last - number + 1), number - 1
        end
        if words == 0 then
          call('HSET', job .. id, 'name', name, 'payload', payload, 'enqueued', now)
        elseif is_grouped then
          call('HSET', job .. id, 'name', name, 'payload', payload, 'enqueued', now, 'fair', group)
        else
          write_said(job .. id, now, name, payload, said, words, has_more)
        end
        given = turns and given + 1 or number - before
        ready[n + 1], ready[n + 2], n = ranks[given] or first + given - 1, id, n + 2
      end
      if made ~= 1 then reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = number, made, id end
    end
    if turns then turns[member] = first + given - 1 end
  end
  write_ready(q, ready)
  write_turns(q)
  return reply
end
