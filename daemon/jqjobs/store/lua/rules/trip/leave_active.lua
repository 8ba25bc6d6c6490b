-- Jobs that succeeded leave a worker's hands. The first write of whoever asks for it: allowed when Redis is full.
-- Gives: leave_active

-- Takes first attempts out of the active set: `n` ids from ARGV[at] on. Returns those that were there, and how
-- many left. stale gets the others.
-- Most workers finish in the order they took, so their report is the head of the set: two texts are compared, not
-- a rank asked of each.
local function leave_active(active, at, n, stale)
  if n == 1 and redis.call('ZREM', active, ARGV[at] .. ' 1') == 1 then return { ARGV[at] }, 1 end
  local head = redis.call('ZRANGE', active, '0', n)
  if #head >= n and table.concat(head, ' ', 1, n) == table.concat(ARGV, ' 1 ', at, at + n - 1) .. ' 1' then
    return { unpack(ARGV, at, at + n - 1) }, redis.call('ZREMRANGEBYRANK', active, '0', n - 1)
  end
  local members, ids, ours = {}, {}, {}
  for i = 1, n do members[i] = ARGV[at + i - 1] .. ' 1' end
  for i, rank in ipairs(redis.call('ZMSCORE', active, unpack(members))) do
    local id = ARGV[at + i - 1]
    if rank then
      ids[#ids + 1], ours[#ours + 1] = id, members[i]
    else
      stale[#stale + 1] = id
    end
  end
  return ids, redis.call('ZREM', active, '', unpack(ours))
end
