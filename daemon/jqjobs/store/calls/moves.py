"""Jobs move to another queue, at most once and never into nothing, by steps of which each needs one queue only: `move`
has them leave their sets, and lie in `transfers`; from there they are brought to where they go (`calls.bringing`).

Whoever stops in between leaves them there: a daemon goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, StrEnum

from jqjobs.errors import Conflict, InvalidOption, NotFound
from jqjobs.jobs.partitions import queue_of
from jqjobs.jobs.records import check_name
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls.bringing import Bringing
from jqjobs.store.calls.endings import Ending, job_end
from jqjobs.store.calls.flows import take_along
from jqjobs.store.calls.transfers import Delivered, Transfers, transfers
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.scripts import script
from jqjobs.store.steps import Steps

#: Jobs that `move_jobs` takes at once.
MOST_MOVED = 50
#: So often what was read is found to be too old (lua/deliver.lua) before it is left to a daemon.
_MOST_LATE = 3


class Sent(IntEnum):
    """Whether a job has left its queue (lua/move.lua)."""

    MOVING = 1
    MOVING_ALREADY = 2
    STAYS = 0
    UNKNOWN = -1


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


def move(queue: str, target: str, ids: Sequence[str]) -> Call[list[Sent]]:
    """Let jobs leave for another queue; an answer for each. ``ids``: each alone, or "id state score" as once seen."""
    return Call(script("move"), (keys.meta(queue),), ("", target, *ids), lambda reply: [Sent(item) for item in reply])


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
        bringing = Bringing(queue)
        answers = yield from bringing.bring(found)
        yield from take_along(bringing.onward)  # batches hear where their members are
        bringing.failures.raise_first()
        late += Delivered.LATE in answers.values()
        came_of |= {
            job.id: _came_of(answers[job.id], job.target, named) for job in found.jobs if answers[job.id] in _CAME_OF
        }
    return dict.fromkeys(ids, Moved.MOVING) | came_of


def _came_of(answer: Delivered, target: str, named: str) -> Moved:
    if target == named:
        return _CAME_OF[answer]
    return Moved.MOVED_ELSEWHERE if answer is Delivered.DELIVERED else Moved.BACK


def _seen_to_by_others(queue: str, ids: Sequence[str], named: str) -> Steps[dict[str, Moved]]:
    """Say what came of jobs that could not be read: a daemon was quicker, and they have a forward, or were refused and
    are back; or who asks may not read them, and a daemon is to bring them."""
    came_of = {}
    for job_id in ids:
        if (yield _is_on_its_way(queue, job_id)):
            came_of[job_id] = Moved.MOVING
            continue
        end = yield job_end(queue, job_id)
        came_of[job_id] = Moved.UNKNOWN if end.ending is Ending.GONE else Moved.BACK
        if end.ending is Ending.MOVED:
            came_of[job_id] = _came_of(Delivered.DELIVERED, end.moved_to, named)
    return came_of


def _is_on_its_way(queue: str, job_id: str) -> Call[bool]:
    return Call(script("inspect"), (keys.meta(queue),), ("", job_id), lambda reply: reply[1] == b"moving")


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
