"""Reads the whole state of some queues in one script call, straight from the keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jqjobs.store.store import Store

#: Sets of job ids, in the order the script answers them.
SETS = ("ready", "scheduled", "held", "waiting", "parked", "suspects", "transfers", "dead", "kept")
#: Fields of a job's hash, absent ones as 0; `rank` is where it goes back to, `cancel` is 0 or 1, of `token` and
#: `answer` the attempt.
FIELDS = (
    "attempt", "failures", "crashes", "interrupts", "executions", "throttles", "lost", "cancel", "rank", "priority",
    "token", "answer", "hung", "uncleaned", "snoozes",
)  # fmt: skip

#: The member of `scheduled` that ends a pause.
PAUSE_TIMER = "~"

_READ = """
local function zset(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
local reply = {}
for n, q in ipairs(KEYS) do
  local jobs, active, limits, moved = {}, {}, {}, {}
  for _, key in ipairs(redis.call('KEYS', q .. '*')) do
    local kind, rest = string.match(key, '^([a-z]+):(.*)$', #q + 1)
    if kind == 'active' then
      active[#active + 1], active[#active + 2] = rest, zset(key)
    elseif kind == 'job' and redis.call('TYPE', key).ok == 'hash' and redis.call('HEXISTS', key, 'moved') == 1 then
      moved[#moved + 1], moved[#moved + 2] = rest, redis.call('HGET', key, 'moved')
    elseif kind == 'job' and not string.find(rest, ':', 1, true) then
      local values = redis.call('HMGET', key, unpack(ARGV))
      values[8] = values[8] and '1'
      for i = 11, 12 do values[i] = string.match(values[i] or '', '^%d+') or false end
      jobs[#jobs + 1], jobs[#jobs + 2] = rest, values
      jobs[#jobs + 1] = redis.call('LLEN', key .. ':history')
      jobs[#jobs + 1] = redis.call('HEXISTS', key, 'attempt')
    elseif kind == 'held' or kind == 'patience' or kind == 'limit' then
      local is_list = redis.call('TYPE', key).ok == 'list'
      local n = #limits
      if is_list then redis.call('PERSIST', key) end  -- Redis counts by its own time: on a slow host it would be gone
      limits[n + 1], limits[n + 2] = is_list and 'starts' or kind == 'limit' and 'places' or kind, rest
      limits[n + 3] = is_list and redis.call('LRANGE', key, 0, -1) or zset(key)
    end
  end
  reply[n] = { zset(q .. 'ready'), zset(q .. 'scheduled'), zset(q .. 'held'), zset(q .. 'waiting'),
    zset(q .. 'parked'), zset(q .. 'suspects'), zset(q .. 'transfers'), zset(q .. 'dead'), zset(q .. 'kept'),
    zset(q .. 'leases'), active,
    jobs, redis.call('HGETALL', q .. 'unique'),
    redis.call('HMGET', q .. 'meta', 'seq', 'done', 'failed', 'trimmed', 'uncounted', 'served'),
    redis.call('HEXISTS', q .. 'meta', 'paused'),
    redis.call('LLEN', q .. 'inbox'), redis.call('LLEN', q .. 'rejected'), redis.call('EXISTS', q .. 'wake'),
    zset(q .. 'cancels'), limits, redis.call('HGETALL', q .. 'gates'),
    zset(q .. 'draining'), zset(q .. 'misfits'), redis.call('HGETALL', q .. 'errors'), zset(q .. 'arrived'), moved,
    zset(q .. 'turns'), redis.call('HEXISTS', q .. 'meta', 'turns') }
end
return reply
"""


@dataclass
class LimitState:
    """One limit: who waits and until when, which starts it remembers, newest first, and what runs ("id attempt")."""

    held: dict[str, int] = field(default_factory=dict)
    patience: dict[str, int] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    places: set[str] = field(default_factory=set)
    #: what it let start meanwhile, and the job on its way; None while nobody waits
    gate: tuple[int, str] | None = None
    timer: int | None = None


@dataclass
class QueueState:
    """One queue as its keys show it. Scores are integers; ids and worker ids are text."""

    sets: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in SETS})
    leases: dict[str, int] = field(default_factory=dict)
    #: worker → id → (rank, attempt)
    active: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    #: id → the values of FIELDS, then the key, its mode, what it is suspected of, who has refused it, the group of its
    #: error, the group that it takes turns as, the length of the history, and whether the record says more than a name
    #: and a payload
    jobs: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    unique: dict[str, str] = field(default_factory=dict)
    #: "worker id attempt"
    cancels: set[str] = field(default_factory=set)
    #: priorities that have groups → the highest rank taken; "priority group" → the last one that is ahead of it
    turns: dict[str, int] = field(default_factory=dict)
    #: workers that are about to end
    draining: set[str] = field(default_factory=set)
    #: parked for their arguments → until when
    misfits: dict[str, int] = field(default_factory=dict)
    #: group of dead jobs → how many, when the first and the last died, the last one or "-", name
    errors: dict[str, tuple[int, int, int, str, str]] = field(default_factory=dict)
    #: what came from another queue ("queue token") → how long that is remembered
    arrived: dict[str, int] = field(default_factory=dict)
    #: forwards: id → the queue where the job went
    moved: dict[str, str] = field(default_factory=dict)
    limits: dict[str, LimitState] = field(default_factory=dict)
    #: sequence, done, failed, trimmed
    meta: tuple[int, int, int, int] = (0, 0, 0, 0)
    #: when a whole trip was made, and noted
    served: int | None = None
    paused: bool = False
    pause_timer: int | None = None
    inbox: int = 0
    rejected: int = 0
    wake: bool = False


State = dict[str, QueueState]


def read_state(store: Store, queues: tuple[str, ...]) -> State:
    """Read the state of queues."""
    keys = [f"jq:{{{queue}}}:" for queue in queues]
    reply = store.wire.call(
        "EVAL", _READ, len(keys), *keys, *FIELDS, "key", "coalesce", "suspect", "refused", "group", "fair"
    )
    return {queue: _queue(found) for queue, found in zip(queues, reply, strict=True)}


def _queue(found: list[Any]) -> QueueState:
    found, (draining, misfits, errors, arrived, moved, turns, has_turns) = found[:-7], found[-7:]
    assert has_turns or not turns
    *sets, leases, active, jobs, unique, meta, paused, inbox, rejected, wake, cancels, limits, gates = found
    members = dict(zip(SETS, map(_scores, sets), strict=True))
    pause_timer = members["scheduled"].pop(PAUSE_TIMER, None)
    timers = {member[1:]: at for member, at in members["scheduled"].items() if member.startswith("~")}
    members["scheduled"] = {member: at for member, at in members["scheduled"].items() if member[1:] not in timers}
    return QueueState(
        sets=members,
        leases=_scores(leases),
        active={active[i].decode(): _held(active[i + 1]) for i in range(0, len(active), 2)},
        jobs={jobs[i].decode(): _job(*jobs[i + 1 : i + 4]) for i in range(0, len(jobs), 4)},
        unique={unique[i].decode(): unique[i + 1].decode() for i in range(0, len(unique), 2)},
        meta=_numbers(*meta[:5]),
        served=None if meta[5] is None else int(meta[5]),
        paused=paused == 1,
        pause_timer=pause_timer,
        inbox=inbox,
        rejected=rejected,
        wake=wake == 1,
        cancels=set(_scores(cancels)),
        turns=_scores(turns),
        draining=set(_scores(draining)),
        misfits=_scores(misfits),
        errors={errors[i].decode(): _group(errors[i + 1]) for i in range(0, len(errors), 2)},
        arrived=_scores(arrived),
        moved={moved[i].decode(): moved[i + 1].decode() for i in range(0, len(moved), 2)},
        limits=_limits(limits, gates, timers),
    )


def _group(entry: bytes) -> tuple[int, int, int, str, str]:
    count, first, last, sample, name, _ = entry.decode().split(" ", 5)
    return int(count), int(first), int(last), sample, name


def _limits(found: list[Any], gates: list[bytes], timers: dict[str, int]) -> dict[str, LimitState]:
    limits: dict[str, LimitState] = {}
    for i in range(0, len(found), 3):
        limit = limits.setdefault(found[i + 1].decode(), LimitState())
        part, content = found[i].decode(), found[i + 2]
        if part == "starts":
            limit.starts = [int(time) for time in content]
        elif part == "places":
            limit.places = set(_scores(content))
        else:
            setattr(limit, part, _scores(content))
    for i in range(0, len(gates), 2):
        starts, _, going = gates[i + 1].decode().partition(" ")
        limits.setdefault(gates[i].decode(), LimitState()).gate = (int(starts), going)
    for name, at in timers.items():
        limits.setdefault(name, LimitState()).timer = at
    return limits


def _numbers(
    seq: bytes | None, done: bytes | None, failed: bytes | None, trimmed: bytes | None, uncounted: bytes | None
) -> tuple[int, int, int, int]:
    return int(seq or 0), int(done or 0) + int(uncounted or 0), int(failed or 0), int(trimmed or 0)


def _scores(flat: list[bytes]) -> dict[str, int]:
    return {flat[i].decode(): int(float(flat[i + 1])) for i in range(0, len(flat), 2)}


def _held(flat: list[bytes]) -> dict[str, tuple[int, int]]:
    in_hand = {}
    for i in range(0, len(flat), 2):
        job_id, attempt = flat[i].decode().split(" ")
        assert job_id not in in_hand, f"one worker has {job_id} in hand twice"
        in_hand[job_id] = (int(float(flat[i + 1])), int(attempt))
    return in_hand


def _job(values: list[bytes | None], history: int, has_more: int) -> tuple[Any, ...]:
    numbers, words = values[: len(FIELDS)], values[len(FIELDS) :]
    return (
        *(int(float(value or 0)) for value in numbers),
        *((word or b"").decode() for word in words),
        history,
        has_more == 1,
    )
