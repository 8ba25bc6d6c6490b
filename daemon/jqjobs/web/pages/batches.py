"""Batches: jobs that are waited for together. What each waits for, what comes after it, its members; close or cancel
one, or retry all of it that is dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.base.words import plural
from jqjobs.jobs.flow import BatchState, Step
from jqjobs.operations.batches import find_batch, read_batches, retried_in_words, what_it_waits_for
from jqjobs.operations.queues import require_queue
from jqjobs.operations.steps import steps_in_words
from jqjobs.store.calls.batches import BatchRecord
from jqjobs.store.reads.jobs import glances
from jqjobs.web.access import Right
from jqjobs.web.acting import act_on_batch
from jqjobs.web.http import Response
from jqjobs.web.pages.links import job_url, number_of, path_of
from jqjobs.web.pages.overview import why
from jqjobs.web.visit import Visit

#: Batches of a page.
_PAGE = 50
#: What a batch does about a dead member, in words.
ON_DEAD = {"wait": "waits until it is retried", "cancel": "cancels the others", "go": "goes on without it"}
#: The states in which somebody is needed, and those in which all went well.
_BAD, _WARN, _GOOD = (BatchState.FAILED,), (BatchState.WAITING, BatchState.CANCELLED), (BatchState.SUCCEEDED,)


class BatchRow(NamedTuple):
    """A batch in a list. ``kind``: of its mark; ``waits``: for what, or what it came to."""

    record: BatchRecord
    url: str
    kind: str
    waits: str
    then: str
    always: str


class MemberRow(NamedTuple):
    """A member of a batch, where it is now. ``retry_path``: "" unless it is dead and may be retried."""

    ref: str
    name: str
    url: str
    why: str
    retry_path: str


class Members(NamedTuple):
    """Members that are in one way. ``left_out``: so many more there are."""

    kind: str
    rows: Sequence[MemberRow]
    left_out: int


class ComesAfter(NamedTuple):
    """What comes after a batch. ``url``: of the job that has begun, "" before, and where it was rejected."""

    word: str
    steps: str
    url: str
    is_rejected: bool


def batches(visit: Visit) -> Response:
    """Show batches: those that still go on first; of one queue page by page."""
    report, queue = visit.snapshot(), visit.request.asked("queue")
    if queue:
        require_queue(visit.store, queue)
    offset = number_of(visit.request.asked("offset"), 9) if queue else 0
    found = read_batches(visit.store, [queue] if queue else [each.name for each in report.status.queues], _PAGE, offset)
    further = visit.url("/batches", queue=queue, offset=found.next_offset) if found.next_offset else ""
    return visit.page(
        "batches.html", rows=[_row(visit, record) for record in sorted(found.batches, key=_needs_nobody)], queue=queue,
        found=found,
        further=further, left_out=0 if queue else found.total - len(found.batches), now_ms=report.now_ms,
    )  # fmt: skip


def _needs_nobody(record: BatchRecord) -> bool:
    """Whether a batch goes on without a person: those that do not stand first."""
    return record.status.state is not BatchState.WAITING


def _row(visit: Visit, record: BatchRecord) -> BatchRow:
    status = record.status
    return BatchRow(
        record, visit.url(path_of("batches", status.queue, status.id)), _kind(status.state), what_it_waits_for(record),
        _words(record.then, status.queue), _words(record.always, status.queue),
    )  # fmt: skip


def _kind(state: BatchState) -> str:
    kinds = (("bad", _BAD), ("warn", _WARN), ("good", _GOOD))
    return next((kind for kind, states in kinds if state in states), "")


def _words(steps: Sequence[Step], queue: str) -> str:
    return ", then ".join(steps_in_words(steps, queue))


def batch_page(visit: Visit) -> Response:
    """Show one batch."""
    found = find_batch(visit.store, f"{visit.params['queue']}/{visit.params['id']}")
    status = found.record.status
    members = [
        _members(visit, kind, places, total) for kind, places, total in
        (("dead", found.dead, status.dead), ("open", found.open, status.open), ("kept", found.kept, status.kept))
    ]  # fmt: skip
    return visit.page(
        "batch.html", row=_row(visit, found.record), batch=status, members=members,
        after=_after(visit, found.record), on_dead=ON_DEAD[status.on_dead],
        queue_url=visit.url(path_of("queues", status.queue)),
        rejected_url=visit.url("/jobs", queue=status.queue, state="rejected"),
        may_cancel=visit.access.may(Right.CANCEL) and not status.is_over and not found.record.is_cancelled,
        may_close=visit.access.may(Right.ENQUEUE) and status.state is BatchState.OPEN and found.record.expected is None,
        may_retry=visit.access.may(Right.RETRY) and not status.is_over and status.dead,
        path=path_of("batches", status.queue, status.id), now_ms=visit.snapshot().now_ms,
        forgotten_ms=None if status.finished_ms is None else status.finished_ms + (found.record.keep_ms or 0),
    )  # fmt: skip


def _after(visit: Visit, record: BatchRecord) -> list[ComesAfter]:
    """Return what comes after it; the first of it is a job whose id derives from that of the batch."""
    status, found = record.status, list[ComesAfter]()
    for word, steps in (("then", record.then), ("always", record.always)):
        if not steps:
            continue
        queue, job_id = steps[0].queue or status.queue, f"{status.id}.{word}"
        has_begun = record.has_ended if word == "always" else status.state is BatchState.SUCCEEDED
        url = path_of("batches", queue, job_id) if steps[0].is_list else path_of("jobs", queue, job_id)
        is_rejected = word in record.rejected
        leads_on = has_begun and not is_rejected
        found.append(ComesAfter(word, _words(steps, status.queue), visit.url(url) if leads_on else "", is_rejected))
    return found


def _members(visit: Visit, kind: str, places: Sequence[str], total: int) -> Members:
    parts = [(queue, job_id) for queue, _, job_id in (place.partition("/") for place in places)]
    may_retry = kind == "dead" and visit.access.may(Right.RETRY)
    rows = []
    for (queue, job_id), seen in zip(parts, glances(visit.store, parts), strict=True):
        path = path_of("jobs", queue, job_id)
        rows.append(MemberRow(
            f"{queue}/{job_id}", seen.name or "?", job_url(visit, queue, job_id), why(seen.reason, seen.error),
            f"{path}/retry" if may_retry else "",
        ))  # fmt: skip
    return Members(kind, rows, max(0, total - len(rows)))


def act(visit: Visit) -> Response:
    """Cancel a batch with its members, retry those that are dead, or close it."""
    queue, batch_id, word = (visit.params[part] for part in ("queue", "id", "act"))
    answer = act_on_batch(visit, word, queue, batch_id)
    said = " is cancelled: its members end, and what comes after success does not"
    if word == "retry":
        said = f": {retried_in_words(answer)}"
    elif word == "close":
        said = f" is closed, of {plural(answer['count'], 'member')}"
    return visit.done(path_of("batches", queue, batch_id), f"batch {queue}/{batch_id}{said}")
