"""Another number of partitions for a queue, and which of its places has a job. What changes nothing at once for whoever
knows the old ones: see `calls.partitions`.
"""

from __future__ import annotations

from jqjobs.errors import Conflict
from jqjobs.jobs.partitions import Partitions, partition_of, with_partitions
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.batches import Batches, batches
from jqjobs.store.calls.partitions import close_place, partitions, places_of, set_partitions
from jqjobs.store.calls.telling import notices
from jqjobs.store.calls.transfers import acknowledge
from jqjobs.store.reads.jobs import JobInfo, Trace, job_or_trace
from jqjobs.store.reads.queues import QueueStatus, queue_status
from jqjobs.store.steps import Steps


def locate(queue: str, job_id: str) -> Steps[str | None]:
    """Return which partition of a queue knows of a job, if only where it went; None: none does."""
    for place in (yield from places_of(queue))[1:]:
        found: JobInfo | Trace = yield job_or_trace(place, job_id)
        if isinstance(found, JobInfo) or found.moved_to or found.succeeded:
            return place
    return None


def repartition(queue: str, count: int) -> Steps[Partitions]:
    """Have a queue have so many partitions, and return them. What has a place keeps it.

    Raises: InvalidOption; Conflict when somebody else does it at the same time.
    """
    known: Partitions | None = yield partitions(queue)
    now = with_partitions(queue, known, count)
    if now != known:
        yield from _prepare(queue, now)
        if not (yield set_partitions(now, known)):
            raise Conflict(f"somebody else gives queue {queue} other partitions", hint="look, and try again")
        yield from _follow_home(queue, now)  # a pause or its end, meanwhile, was told to the places before only
    yield from _close(now)
    return now


def _prepare(queue: str, now: Partitions) -> Steps[None]:
    """Have new partitions known, and as their queue is."""
    yield upkeep.add_queues([queue, *now.names])
    yield from _follow_home(queue, now)


def _follow_home(queue: str, now: Partitions) -> Steps[None]:
    """Have partitions paused where their queue is, and kept as is said of it."""
    home: QueueStatus = yield queue_status(queue)
    said = {name: value for name in upkeep.SETTINGS if (value := getattr(home, name)) is not None}
    for place in now.names:
        if said:
            yield upkeep.settings(place, said)
        if home.paused_ms is None:
            yield upkeep.resume(place)
        else:
            until = "" if home.paused_until_ms is None else str(home.paused_until_ms)
            yield upkeep.pause(place, until, home.paused_by or "", home.paused_reason or "")


def _close(now: Partitions) -> Steps[None]:
    for place in now.former:
        yield close_place(place, now, [])


def tidy(queue: str) -> Steps[Partitions | None]:
    """Forget former places of a queue that have no jobs any more; return its partitions, None when it has none."""
    known: Partitions | None = yield partitions(queue)
    if known is None or not known.former:
        return known
    yield from _close(known)  # what is empty from here on stays empty
    empty = []
    for place in known.former:
        if not (yield from _has_anything(place)):
            empty.append(place)
    tidied = known.without(empty)
    if tidied != known:
        yield set_partitions(tidied, known)
    return tidied


def _has_anything(place: str) -> Steps[bool]:
    """Whether a place has jobs, batches, words to others, or what it has answered to those who bring it jobs."""
    status: QueueStatus = yield queue_status(place)
    is_used = status.has_jobs or (partition_of(place) and status.inbox)
    if is_used or (yield notices(place)) or (yield acknowledge(place, "", [])):
        return True
    found: Batches = yield batches(place)
    return found.total > 0


def restore(known: Partitions) -> Steps[Partitions]:
    """Tell a Redis that has forgotten it which partitions a queue has."""
    yield from _prepare(known.queue, known)
    yield set_partitions(known, None)
    yield from _close(known)
    return known
