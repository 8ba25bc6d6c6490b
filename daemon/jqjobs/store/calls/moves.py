"""Jobs move to another queue, at most once and never into nothing, by steps of which each needs one queue only.

    move         from   they leave their sets, and lie in `transfers`
    transfers    from   what goes along is read
    deliver      to     they are there, or refused: their id or their key is taken; of a queue with partitions, each
                        in the one that it is for
    delivered    from   they are gone, but for a forward; or back where they were
    acknowledge  to     what was answered need not be remembered any longer

Whoever stops in between leaves them in `transfers`: a daemon goes on from the second step (`deliver_overdue`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum, StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from jqjobs.errors import Conflict, InvalidOption, NotFound, StoreError
from jqjobs.jobs.partitions import Partitions, queue_of, spread_word
from jqjobs.jobs.records import check_name
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls.endings import Ending, job_end
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.reply_values import text
from jqjobs.store.scripts import script
from jqjobs.store.steps import Steps
from jqjobs.store.wire import Argument

#: Jobs that `move_jobs` takes at once.
MOST_MOVED = 50
#: Items of one job in the answer of lua/transfers.lua.
_ITEMS = 8
#: So often what was read is found to be too old (lua/deliver.lua) before it is left to a daemon.
_MOST_LATE = 3


class Sent(IntEnum):
    """Whether a job has left its queue (lua/move.lua)."""

    MOVING = 1
    MOVING_ALREADY = 2
    STAYS = 0
    UNKNOWN = -1


class Delivered(IntEnum):
    """What the other queue said of a job (lua/deliver.lua)."""

    DELIVERED = 1
    ID_TAKEN = 0
    KEY_TAKEN = -1
    LATE = 2
    ELSEWHERE = 3  #: it has partitions, and the job is for one of them


class Moved(StrEnum):
    """What came of moving a job. All but the first three: it is where it was."""

    MOVED = "moved"
    MOVING = "moving"  #: it is on its way; a daemon brings it there
    MOVED_ELSEWHERE = "moved_elsewhere"  #: it was on its way to a third queue already, and is there now
    STAYS = "stays"  #: a worker has it in hand, it waits for an answer, or is kept
    BACK = "back"  #: it was on its way already, was refused, and is where it was
    UNKNOWN = "unknown"
    ID_TAKEN = "id_taken"
    KEY_TAKEN = "key_taken"


_CAME_OF = {
    Delivered.DELIVERED: Moved.MOVED, Delivered.ID_TAKEN: Moved.ID_TAKEN, Delivered.KEY_TAKEN: Moved.KEY_TAKEN,
}  # fmt: skip


class Transfer(NamedTuple):
    """A job on its way, with all that goes along. ``fields``: flat; ``score``: in the set that it was in."""

    id: str
    token: str
    target: str
    state: str
    score: bytes
    fields: Sequence[bytes]
    history: Sequence[bytes]
    has_key: bool


class Transfers(NamedTuple):
    """What was read at ``now_ms``; it may be delivered for a while."""

    now_ms: int
    jobs: Sequence[Transfer]


def move(queue: str, target: str, ids: Sequence[str]) -> Call[list[Sent]]:
    """Let jobs leave for another queue; an answer for each. ``ids``: each alone, or "id state score" as once seen."""
    return Call(script("move"), (keys.meta(queue),), ("", target, *ids), lambda reply: [Sent(item) for item in reply])


def transfers(queue: str, ids: Sequence[str] = (), age_ms: int = 0) -> Call[Transfers]:
    """Read jobs on their way: these, or the oldest of those that left ``age_ms`` ago."""

    def parse(reply: Any) -> Transfers:
        now_ms, *flat = reply
        starts = range(0, len(flat), _ITEMS)
        return Transfers(int(now_ms), [_transfer(flat[start : start + _ITEMS]) for start in starts])

    return Call(script("transfers"), (keys.meta(queue),), ("", age_ms, *ids), parse, repeatable=True)


def _transfer(items: Sequence[Any]) -> Transfer:
    job_id, token, target, state, score, fields, history, has_key = items
    return Transfer(text(job_id), text(token), text(target), text(state), score, fields, history, has_key == 1)


def deliver(target: str, queue: str, read_ms: int, jobs: Sequence[Transfer]) -> Call[list[Delivered]]:
    """Bring jobs of ``queue`` that were read at ``read_ms``. Done twice, it does no more than done once."""
    args: list[Argument] = ["", read_ms, queue]
    for job in jobs:
        args += (job.id, job.token, job.state, job.score, int(job.has_key))
        args += (len(job.fields), *job.fields, len(job.history), *job.history)
    return Call(script("deliver"), (keys.meta(target),), args, lambda reply: [Delivered(item) for item in reply])


def delivered(queue: str, answers: Sequence[tuple[Transfer, Delivered]]) -> Call[int]:
    """Note what the other queue has said; how many of these were on their way still."""
    args = [word for job, answer in answers for word in (job.id, job.token, int(answer is Delivered.DELIVERED))]
    return Call(script("delivered"), (keys.meta(queue),), ("", *args), int)


def acknowledge(target: str, queue: str, tokens: Sequence[str]) -> Call[int]:
    """Tell a queue that nobody brings these jobs again; how many it remembers."""
    return Call(script("acknowledge"), (keys.meta(target),), ("", queue, *tokens), int)


def move_jobs(queue: str, ids: Sequence[str], target: str) -> Steps[list[Moved]]:
    """Move jobs, at most 50; what came of each. ``ids``: as `move` takes them. Raises: InvalidName, InvalidOption.

    What is on its way already is brought to where it goes.
    """
    if check_name(target, "queue") == queue_of(queue):
        raise InvalidOption(f"the jobs are in queue {queue} already")
    yield add_queues([target])
    sent: list[Sent] = yield move(queue, target, ids)
    names = [each.partition(" ")[0] for each in ids]
    answers = dict(zip(names, sent, strict=True))
    left = [job_id for job_id, answer in answers.items() if answer in (Sent.MOVING, Sent.MOVING_ALREADY)]
    came_of = yield from _deliver(queue, left, target)
    stayed = {Sent.STAYS: Moved.STAYS, Sent.UNKNOWN: Moved.UNKNOWN}
    return [came_of[job_id] if job_id in came_of else stayed[answers[job_id]] for job_id in names]


def _deliver(queue: str, ids: Sequence[str], named: str) -> Steps[dict[str, Moved]]:
    came_of: dict[str, Moved] = {}
    late = 0
    while (left := [job_id for job_id in ids if job_id not in came_of]) and late < _MOST_LATE:
        found: Transfers = yield transfers(queue, left)
        if not found.jobs:
            came_of |= yield from _seen_to_by_others(queue, left, named)
            continue
        for target, jobs in _by_target(found.jobs):
            answers = yield from _bring(queue, target, found.now_ms, jobs)
            late += Delivered.LATE in answers
            came = [(job.id, answer) for job, answer in zip(jobs, answers, strict=True) if answer in _CAME_OF]
            came_of |= {job_id: _came_of(answer, target, named) for job_id, answer in came}
    return dict.fromkeys(ids, Moved.MOVING) | came_of


def _came_of(answer: Delivered, target: str, named: str) -> Moved:
    if target == named:
        return _CAME_OF[answer]
    return Moved.MOVED_ELSEWHERE if answer is Delivered.DELIVERED else Moved.BACK


def _seen_to_by_others(queue: str, ids: Sequence[str], named: str) -> Steps[dict[str, Moved]]:
    """Say what came of jobs that a daemon was quicker with: they have a forward, or were refused and are back."""
    came_of = {}
    for job_id in ids:
        end = yield job_end(queue, job_id)
        is_there = Delivered.DELIVERED if end.ending is Ending.MOVED else Delivered.ID_TAKEN
        came_of[job_id] = _came_of(is_there, end.moved_to, named)
    return came_of


def _by_target(jobs: Sequence[Transfer]) -> Iterator[tuple[str, list[Transfer]]]:
    for target, bundle in groupby(sorted(jobs, key=attrgetter("target")), attrgetter("target")):
        yield target, list(bundle)


def _bring(queue: str, target: str, read_ms: int, jobs: Sequence[Transfer]) -> Steps[list[Delivered]]:
    """Bring jobs to their queue; where that has partitions, each to the one it is for.

    Raises: StoreError, at the end.
    """
    problem = None
    said = dict.fromkeys([job.id for job in jobs], Delivered.ELSEWHERE)
    if queue_of(queue) != target:
        said |= yield from _bring_to(queue, target, read_ms, jobs)
    left = [job for job in jobs if said[job.id] is Delivered.ELSEWHERE]
    known: Partitions | None = (yield partitions(target)) if left else None
    for candidate in _candidates(known, queue) if known else ():
        left = [job for job in jobs if said[job.id] is Delivered.ELSEWHERE]
        by_place = groupby(sorted(left, key=candidate), candidate)
        for place, bundle in [(place, list(bundle)) for place, bundle in by_place]:
            try:
                said |= yield from _bring_to(queue, place, read_ms, bundle)
            except StoreError as error:  # the node of that place, maybe: the others get theirs
                problem = problem or error
    if problem:
        raise problem
    return [Delivered.LATE if answer is Delivered.ELSEWHERE else answer for answer in said.values()]


def _candidates(known: Partitions, queue: str) -> list[Callable[[Transfer], str]]:
    """Return what says where a job may be, if it came there before, the last one where it belongs now."""
    former = [lambda job, each=each: known.place_in(each, _word_of(job)) for each in known.before]
    return [*former, lambda job: known.place(_word_of(job))]


def _word_of(job: Transfer) -> str:
    said = dict(zip(map(text, job.fields[::2]), job.fields[1::2], strict=True))
    group, key = text(said.get("fair", b"")), text(said.get("key", b""))
    return spread_word(job.id, "" if group else key, group)  # one that is moved may have both


def _bring_to(queue: str, place: str, read_ms: int, jobs: Sequence[Transfer]) -> Steps[dict[str, Delivered]]:
    said: list[Delivered] = yield deliver(place, queue, read_ms, jobs)
    pairs = [(job, answer) for job, answer in zip(jobs, said, strict=True) if answer in _CAME_OF]
    if pairs:
        yield delivered(queue, pairs)
        yield acknowledge(place, queue, [job.token for job, _ in pairs])
    return {job.id: answer for job, answer in zip(jobs, said, strict=True)}


def deliver_overdue(queue: str, age_ms: int) -> Steps[int]:
    """Bring jobs there whose mover did not get to it, at most 50; how many are on their way no more: come, or refused.

    Where one queue takes none, the others get theirs. Raises: StoreError, at the end.
    """
    found: Transfers = yield transfers(queue, (), age_ms)
    brought, problem = 0, None
    for target, jobs in _by_target(found.jobs):
        try:
            answers = yield from _bring(queue, target, found.now_ms, jobs)
            brought += sum(answer in _CAME_OF for answer in answers)
        except StoreError as error:
            problem = problem or error
    if problem:
        raise problem
    return brought


def check(answer: Moved, reference: str, target: str) -> None:
    """Raise NotFound or Conflict unless a job was moved, or is on its way. ``reference``: queue/id."""
    if answer in (Moved.MOVED, Moved.MOVING):
        return
    if answer is Moved.UNKNOWN:
        raise NotFound(f"there is no job {reference}")
    job_id = reference.rpartition("/")[2]
    why = {
        Moved.STAYS: f"{reference} cannot be moved: a worker has it in hand, it waits for an answer, or is over",
        Moved.MOVED_ELSEWHERE: f"{reference} was on its way to another queue than {target} already, and is there now",
        Moved.BACK: f"{reference} was on its way already, was refused there, and is back: move it again",
        Moved.ID_TAKEN: f"queue {target} has a job {job_id} already; {reference} stays",
        Moved.KEY_TAKEN: f"in queue {target} another job has the key of {reference}, which stays",
    }
    raise Conflict(why[answer])
