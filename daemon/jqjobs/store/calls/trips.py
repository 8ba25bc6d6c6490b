"""A worker's trip to Redis: what it reports, what it asks for, how the answer is read (lua/exchange.lua)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import chain, repeat
from typing import Any

import msgspec

from jqjobs.jobs.blame import Scope, read_suspicion
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind, Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import moment, number, text
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument

#: Fields of one job in the answer of an exchange (lua/rules/trip/take.lua).
_TAKEN_FIELDS = 6
_OUTCOME_FIELDS = 7
#: Items of one queue's plain jobs there (lua/rules/trip/move_head.lua).
_PLAIN_ITEMS = 6

#: The state a settled job is in, "gone" when it is in none, and why it is dead, or "".
Settled = tuple[str, str]


class Way(Enum):
    """Where a whole trip goes (lua/rules/trip/way.lua). Queues that are reported to it never passes by.

    To all queues; to those that have something; or only until it has enough, and not for what is due later.
    """

    ALL = ""
    FILLED = "pass "
    ENOUGH = "pass early "


class Trip(msgspec.Struct):  # not a dataclass: there is one a job where they come one by one
    """The answer of an exchange. ``wait_ms``: come back then; None: another worker does, or nothing is scheduled.

    ``broken``: queues that cannot be served, with the error; the others were. ``settled``: where jobs went, and why
    they are dead or "", by id; only if asked for, and not for plain successes. ``lost``: what a resync named and Redis
    has given to others or forgotten; a worker has no need to look, since what it reports of them is stale.
    ``tailed``: queues to which somebody listens. ``left_in``: the queue that gave the last job, if that was a plain one
    and there are more, for a fast trip. ``is_fast``: it is the answer of one. ``leaving``: queues from which something
    is to be taken to others, by this trip.
    """

    status: Status
    now_ms: int
    wait_ms: int | None = None
    more: bool = False
    inboxes: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    jobs: list[TakenJob] = []
    broken: tuple[tuple[str, str], ...] = ()
    settled: Mapping[str, Settled] = {}
    tailed: tuple[str, ...] = ()
    left_in: str | None = None
    is_fast: bool = False
    leaving: tuple[str, ...] = ()


def exchange(
    queues: Sequence[str], worker: str, trip: int, want: int, lease_ms: int, *,
    done: Sequence[TakenJob] = (), outcomes: Sequence[Outcome] = (), in_hand: Sequence[TakenJob] | None = None,
    tell_settled: bool = False, free: int = 0, soon: int = 0, suspects: tuple[int, Scope] | None = None,
    has_others: bool = False, is_wake: bool = False, way: Way = Way.ALL,
) -> Call[Trip]:  # fmt: skip
    """Settle what ended and take up to ``want`` jobs. ``in_hand`` given means resync: all that the worker still has.

    ``done``: jobs that succeeded with nothing to say but their limits. ``tell_settled``: ask what became of the others.
    ``free``: so many jobs could start at once beside what the worker has; of one that has nothing that goes without
    saying. ``soon``: with one slot, so many will have started in a moment, one after the other. A limited job is only
    taken where it starts at once or soon. ``suspects``: so many suspects, of this scope or a narrower one, may be taken
    before anything else; None: none. ``has_others``: the worker has jobs of other queues in hand, which Redis cannot
    see here. ``is_wake``: it stands behind the wait of an idle worker, and does nothing where there is nothing.
    ``way``: which queues it passes by; not in a resync.
    """
    words = "wake " if is_wake else "" if in_hand is None else "resync "
    if tell_settled:
        words += "settled "
    if has_others:
        words += "others "
    args: list[Argument] = ["", worker, trip, want, lease_ms, words + way.value + _room(free, soon, suspects)]
    args += _reported(queues, done, outcomes, in_hand or ())
    return Call(
        script("exchange"), [keys.meta(queue) for queue in queues], args,
        lambda reply: parse_trip(reply, queues),
    )  # fmt: skip


def _reported(
    queues: Sequence[str], done: Sequence[TakenJob], outcomes: Sequence[Outcome], in_hand: Sequence[TakenJob]
) -> list[Argument]:
    if not (done or outcomes or in_hand):
        return [0, "", "", 0] * len(queues)
    args: list[Argument] = []
    plain, places, others = _reports(queues, done, outcomes)
    for queue in queues:
        kept = " ".join([f"{job.id} {job.attempt}" for job in in_hand if job.queue == queue])
        ids, rest = plain[queue], others[queue]
        args += (len(ids), *ids, " ".join(places[queue]), kept, len(rest) // _OUTCOME_FIELDS, *rest)
    return args


def _room(free: int, soon: int, suspects: tuple[int, Scope] | None) -> str:
    words = f"free {free} " if free > 0 else ""
    if soon > 0:
        words += f"soon {soon} "
    return words if suspects is None else f"{words}suspects {suspects[0]} {suspects[1]:d}"


def _reports(
    queues: Sequence[str], done: Sequence[TakenJob], outcomes: Sequence[Outcome]
) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[str, list[Argument]]]:
    """Return, by queue, the ids of plain successes, the places that these had, and what is said of all other ends."""
    plain: dict[str, list[str]] = {queue: [] for queue in queues}
    places: dict[str, list[str]] = {queue: [] for queue in queues}
    others: dict[str, list[Argument]] = {queue: [] for queue in queues}
    for job in chain(done, [outcome.job for outcome in outcomes if _says_nothing(outcome)]):
        if job.attempt > 1:
            others[job.queue] += (Kind.DONE.value, job.id, job.attempt, 1, job.limits, b"", "")
            continue
        plain[job.queue].append(job.id)
        if job.limits:
            places[job.queue] += _places(job)
    for outcome in outcomes:
        if not _says_nothing(outcome):
            job = outcome.job
            others[job.queue] += (outcome.kind.value, job.id, job.attempt, *_details(outcome), job.taken_ms or "")
    return plain, places, others


def _says_nothing(outcome: Outcome) -> bool:
    """Return whether it is a success of which there is no more to say than its limits."""
    return outcome.kind is Kind.DONE and not (outcome.job.key or outcome.job.flow or outcome.result)


def _places(job: TakenJob) -> list[str]:
    """Return what stands for a job in limits of concurrency: its id and a limit's name, of each."""
    words = job.limits.split(" ")
    return [f"{job.id} {words[i + 3]}" for i in range(0, len(words), 4) if words[i] == "c"]


def _details(outcome: Outcome) -> tuple[int | str, str, bytes]:
    """Return what lua/rules/trip/outcomes.lua calls number, text and line. What a kind does not have is 0 or empty."""
    match outcome.kind:
        case Kind.DONE:  # of which there is more to say
            return 0, outcome.job.key or outcome.job.flow, outcome.result
        case Kind.KEPT:
            return outcome.job.keep_ms or 0, outcome.missing, outcome.result
        case Kind.WAITING:
            return outcome.wait_ms, str(outcome.delay_ms), b""
        case Kind.THROTTLED:
            return 0, outcome.limits, b""
        case Kind.FAILED | Kind.DISCARDED if outcome.group:
            return f"{outcome.delay_ms} {outcome.group}", outcome.error, outcome.line
        case Kind.MISFIT:
            origin = "checked" if outcome.is_checked else "raw"
            return f"{outcome.delay_ms} {outcome.signature} {origin}", outcome.error, outcome.line
        case _:
            return outcome.delay_ms, outcome.error, outcome.line


def parse_trip(reply: Any, queues: Sequence[str]) -> Trip:
    """Return the answer of an exchange over ``queues``."""
    if reply[0] != Status.OK:
        return Trip(Status(reply[0]), 0 if reply[0] == Status.NOTHING else int(reply[1]))
    now, wait, more, plain, rest = reply[1:]
    jobs: list[TakenJob] = []
    left_in = None
    for i in range(0, len(plain or ()), _PLAIN_ITEMS):
        index, ids, runs, payloads, left, limits = plain[i : i + _PLAIN_ITEMS]
        taken = plain_jobs(queues[index - 1], ids, runs, payloads)
        if limits:
            for job, limit in zip(taken, limits.decode().split("\n"), strict=True):
                job.limits = limit
        jobs += taken
        left_in = queues[index - 1] if left else None
    trip = Trip(Status.OK, now, None if wait < 0 else wait, more == 1, jobs=jobs, left_in=left_in)
    return trip if rest is None else _with_rest(trip, rest, queues)


def plain_job(queue: str, job_id: bytes, name: bytes, payload: bytes, since: bytes | None = None) -> TakenJob:
    """Return one job of a name and a payload, taken for the first time. ``since``: it waits, as ms; None: unknown."""
    return TakenJob(queue, job_id.decode(), 1, name.decode(), payload, moment(since))


def plain_jobs(queue: str, ids: bytes, runs: Any, payloads: Sequence[bytes]) -> list[TakenJob]:
    """Return jobs as lua/rules/trip/move_head.lua has them."""
    if len(payloads) == 1:
        return [plain_job(queue, ids, runs[0], payloads[0], runs[1])]
    names = chain.from_iterable(repeat(runs[j].decode(), runs[j + 2]) for j in range(0, len(runs), 3))
    since = chain.from_iterable(repeat(moment(runs[j + 1]), runs[j + 2]) for j in range(0, len(runs), 3))
    return list(map(TakenJob, repeat(queue), ids.decode().split(" "), repeat(1), names, payloads, since))


def _with_rest(trip: Trip, rest: Any, queues: Sequence[str]) -> Trip:
    inboxes, stale, lost, flat, broken, tailed, leaving, *settled = rest
    for i in range(0, len(flat), _TAKEN_FIELDS):
        index, job_id, attempt, name, payload, extra = flat[i : i + _TAKEN_FIELDS]
        job = TakenJob(queues[index - 1], job_id.decode(), attempt, name.decode(), payload)
        if extra is not None:
            _add_extra(job, *extra)
        trip.jobs.append(job)
    told = settled[0] if settled else ()
    return Trip(
        trip.status, trip.now_ms, trip.wait_ms, trip.more,
        tuple(queues[i - 1] for i in inboxes), tuple(map(text, stale)), tuple(map(text, lost)), trip.jobs,
        tuple((queues[broken[i] - 1], text(broken[i + 1])) for i in range(0, len(broken), 2)),
        {text(told[i]): (text(told[i + 1]), text(told[i + 2])) for i in range(0, len(told), 3)},
        tuple(queues[i - 1] for i in tailed),
        None if flat else trip.left_in,
        leaving=tuple(queues[i - 1] for i in leaving),
    )  # fmt: skip


def _add_extra(job: TakenJob, since: Any, limits: Any = None, *more: Any) -> None:
    job.ready_ms, job.limits = moment(since), text(limits or b"")
    if more:
        _add_more(job, *more)


def _add_more(
    job: TakenJob, failures: Any, timeout: Any = None, keep: Any = None, key: Any = None, suspect: Any = None,
    uncleaned: Any = None, max_attempts: Any = None, hung: Any = None, snoozes: Any = None, flow: Any = None,
) -> None:  # fmt: skip
    job.failures = number(failures) or 0
    job.timeout_ms, job.keep_ms, job.key = number(timeout), number(keep), text(key or b"")
    job.suspicion = read_suspicion(text(suspect)) if suspect is not None else None
    job.uncleaned = number(uncleaned) or 0
    job.max_attempts, job.hung, job.snoozes = number(max_attempts), number(hung) or 0, number(snoozes) or 0
    if flow is not None:
        job.flow, job.previous, job.batch = text(flow[0]), flow[1], text(flow[2] or b"").partition(" ")[0]
