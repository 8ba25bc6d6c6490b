"""How jobs come in: enqueued by Python producers, or as raw envelopes that are ingested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from jqjobs.jobs.records import Coalesce, Enqueued, NewJob
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.replication import Wait
from jqjobs.store.reply_values import text
from jqjobs.store.scripts import script
from jqjobs.store.wire import Argument, pack

#: What a run of new jobs has in common (lua/enqueue.lua).
_IN_COMMON = attrgetter("name", "fields", "priority", "due", "key", "coalesce", "replace")


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of raw envelopes. ``left``: how many are still in the inbox.

    ``leaving``: how many jobs are on their way to another queue, or to a partition of this one.
    """

    accepted: int
    rejected: int
    present: int
    left: int
    leaving: int = 0


def enqueue(queue: str, jobs: Sequence[NewJob], wait: Wait | None = None) -> Call[list[Enqueued]]:
    """Store new jobs of one queue. Not repeatable: a job may have succeeded, and be gone, when it comes again."""
    args: list[Argument] = ["", len(jobs)]
    order = _order(jobs)
    for (name, *options), same in groupby((jobs[place] for place in order), _IN_COMMON):
        run = [item for job in same for item in (job.id, job.payload)]
        said = _said(*options)
        args += (len(run) // 2, name, len(said), *said, *run)
    return Call(script("enqueue"), (keys.meta(queue),), args, lambda reply: enqueued(reply, jobs, order), wait=wait)


def _order(jobs: Sequence[NewJob]) -> Sequence[int]:
    """Return the places of jobs in the order in which they are sent.

    Those that differ in their group only are sent group by group, each a run: among groups their turns are the order.
    """
    if len(jobs) < 2 or "fair" not in jobs[0].fields[::2]:
        return range(len(jobs))
    at = 2 * jobs[0].fields[::2].index("fair") + 1

    def apart_from_group(job: NewJob) -> tuple[object, ...]:
        fields = job.fields
        return (*_IN_COMMON(job)[2:], job.name, fields[:at], fields[at + 1 :])

    like_the_first = apart_from_group(jobs[0])
    if jobs[0].key or any(apart_from_group(job) != like_the_first for job in jobs):
        return range(len(jobs))
    return sorted(range(len(jobs)), key=lambda place: str(jobs[place].fields[at]))


def enqueued(reply: Any, jobs: Sequence[NewJob], order: Sequence[int] = (0,)) -> list[Enqueued]:
    """Return what became of jobs that `enqueue` stored; ``order``: see `_order`."""
    made = [Enqueued(job.id, True) for job in jobs]
    for i in range(0, len(reply), 3):
        made[order[reply[i] - 1]] = Enqueued(text(reply[i + 2]), False, reply[i + 1] == 2)
    return made


def packed_enqueue(prefix: str, queue: str, job: NewJob) -> bytes:
    """Return what `enqueue` sends for one job; but for id and payload it is packed once, which saves half the work.

    ``prefix``: what all keys begin with.
    """
    job_id, payload = job.id.encode(), job.payload
    head = _packed_head.__wrapped__ if "then" in job.fields else _packed_head  # no other one has the same steps
    return b"%b$%d\r\n%b\r\n$%d\r\n%b\r\n" % (
        head(prefix, queue, *_IN_COMMON(job)), len(job_id), job_id, len(payload), payload
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _packed_head(
    prefix: str, queue: str, name: str, fields: tuple[str | int | bytes, ...], priority: int, due: str, key: str,
    coalesce: str, replace: bool,
) -> bytes:  # fmt: skip
    call = enqueue(queue, [NewJob(name, b"", "", priority, due, key, fields, coalesce, replace)])
    packed = pack(call.command(prefix))
    return packed.removesuffix(pack(("", "")).removeprefix(b"*2\r\n"))


def _said(
    fields: Sequence[Argument], priority: int, due: str, key: str, coalesce: str, replace: bool
) -> Sequence[Argument]:  # fmt: skip
    said = [*fields]
    if priority:
        said += ("priority", priority)
    if due:
        said += ("due", due)
    if key:
        said += ("key", key, "replace", 1) if replace else ("key", key)
    if coalesce != Coalesce.UNFINISHED:
        said += ("coalesce", coalesce)
    return said


def ingest(queue: str, nonce: str) -> Call[Ingested]:
    """Move raw envelopes of the inbox into the queue; ``nonce`` makes ids for those without one."""
    return Call(script("ingest"), (keys.meta(queue),), ("", nonce), lambda reply: Ingested(*reply))
