"""Batches: found, listed, opened, closed, cancelled, retried, as JSON and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2s
from typing import Any, NamedTuple, TypeVar

from jqjobs.base.clock import Duration
from jqjobs.base.words import plural
from jqjobs.errors import Conflict, StoreError, StoreUnavailable
from jqjobs.jobs.flow import BatchState, BatchStatus, OnDead, batch_ref, on_dead_of
from jqjobs.jobs.options import positive_ms
from jqjobs.jobs.records import check_name
from jqjobs.operations.steps import steps_json
from jqjobs.operations.wanted_steps import WantedStep, check_ids, read_steps, written_steps
from jqjobs.store.calls import batches
from jqjobs.store.calls.batches import BatchRecord, Opened
from jqjobs.store.calls.flows import acting, cancelling, retrying
from jqjobs.store.calls.telling import Telling
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reads.damage import explaining_batch
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store

T = TypeVar("T")

#: Of each queue, so many are listed: those first that still go on.
MOST_LISTED = 100
#: For so long a batch is known after its end, unless it says otherwise.
KEPT = "7d"
#: So many open, dead and kept members are told.
MOST_MEMBERS = 100


class FoundBatch(NamedTuple):
    """A batch, and members of it that somebody may want to look at, each as ``queue/id`` where it is now."""

    record: BatchRecord
    open: list[str]
    dead: list[str]
    kept: list[str]


class WantedBatch(NamedTuple):
    """A batch that somebody wants to be open, as far as it can be judged without Redis."""

    queue: str
    id: str
    then: Sequence[WantedStep]
    always: Sequence[WantedStep]
    on_dead: OnDead
    keep_ms: int


class BatchPage(NamedTuple):
    """Some batches, those first that still go on. ``total``: all, ``going_on`` of them not over.

    ``next_offset``: pass over so many for the next page, None after the last one; of several queues there is only one.
    """

    batches: list[BatchRecord]
    total: int
    going_on: int
    next_offset: int | None


def list_batches(store: Store, queues: Sequence[str]) -> Iterator[BatchStatus]:
    """Yield the batches that have their home in these queues, up to `MOST_LISTED` of each."""
    for queue in queues:
        yield from (record.status for record in read_batches(store, [queue], MOST_LISTED).batches)


def read_batches(store: Store, queues: Sequence[str], most: int, offset: int = 0) -> BatchPage:
    """Return a page of the batches that have their home in these queues, in two round trips; broken queues have none.

    Raises: StoreUnavailable.
    """
    answers = store.run_many([batches.batches(queue, offset, most) for queue in queues])
    pages = [(queue, page) for queue, page in zip(queues, map(_sound, answers), strict=True) if page is not None]
    left = {queue: max(0, page.going_on - offset) for queue, page in pages}
    going_on = [(queue, batch_id) for queue, page in pages for batch_id in page.ids[: left[queue]]]
    over = [(queue, batch_id) for queue, page in pages for batch_id in page.ids[left[queue] :]]
    shown = [*going_on, *over][:most]
    records = map(_sound, store.run_many([batches.batch_record(*place) for place in shown]))
    known = [record for record in records if record and record.status.state is not BatchState.UNKNOWN]
    total = sum(page.total for _, page in pages)
    following = offset + len(shown) if len(pages) == 1 and offset + len(shown) < total else None
    return BatchPage(known, total, sum(page.going_on for _, page in pages), following)


def _sound(answer: T | StoreError) -> T | None:
    """Return an answer, None when what was asked for is damaged. Raises: StoreUnavailable."""
    if isinstance(answer, StoreUnavailable):
        raise answer
    return None if isinstance(answer, StoreError) else answer


def find_batch(store: Store, ref: str) -> FoundBatch:
    """Return a batch by its ``queue/id``. Raises: NotFound, InvalidName, InvalidOption."""
    queue, batch_id = batch_ref(ref)
    with explaining_batch(store, queue, batch_id):
        record = store.run(batches.batch_record(queue, batch_id))
        if record.status.state is BatchState.UNKNOWN:
            raise batches.not_found(ref)
        asked = [batches.batch_members(queue, batch_id, which) for which in ("open", "dead", "kept")]
        opened, dead, kept = (sorted(page.places)[:MOST_MEMBERS] for page in store.run_all(asked))
    return FoundBatch(record, opened, dead, kept)


def cancel_batch(store: Store, ref: str) -> dict[str, Any]:
    """Cancel a batch and its members; return what is told of that as JSON.

    Raises: NotFound; Conflict when it is over; InvalidName, InvalidOption.
    """
    queue, batch_id = batch_ref(ref)
    with explaining_batch(store, queue, batch_id):
        batches.check(run_steps(store.run, cancelling(queue, batch_id)), ref, "over")
    return {"batch": ref, "cancelled": True}


def wanted_batch(
    ref: str, then: Iterable[Any] = (), always: Iterable[Any] = (), on_dead: str = OnDead.WAIT,
    keep: Duration = KEPT,
) -> WantedBatch:  # fmt: skip
    """Return a batch that is wanted; ``then``, ``always``: as `read_steps` takes them.

    Raises: InvalidName, InvalidOption, InvalidArguments.
    """
    queue, batch_id = batch_ref(ref)
    check_name(queue, "queue")
    does_on_dead = on_dead_of(on_dead)
    asked = WantedBatch(queue, batch_id, read_steps(then), read_steps(always), does_on_dead, positive_ms(keep, "keep"))
    for steps in (asked.then, asked.always):
        check_ids(len(batch_id) + len(".always"), 1, steps)
    return asked


def open_batch(
    store: Store, asked: WantedBatch, shown: Callable[[Offer], Offer] = lambda offer: offer, *, unchecked: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Open a batch; return what is told of that as JSON. The same again changes nothing.

    ``shown``, ``unchecked``: as of `enqueueing`. Raises: what `written_steps` does; Conflict when there is another one.
    """
    ref, home = f"{asked.queue}/{asked.id}", (asked.queue, asked.id)
    then, always = (written_steps(store, each, shown, unchecked=unchecked) for each in (asked.then, asked.always))
    said = repr((asked.on_dead.value, asked.keep_ms, then.text, always.text)).encode()
    store.run(add_queues([asked.queue]))
    who = blake2s(said, digest_size=8).hexdigest()  # so that the same one is known when it comes again
    with explaining_batch(store, *home):
        before = store.run(batches.batch_status(*home))
        opened = store.run(batches.open_batch(*home, who, asked.on_dead, asked.keep_ms, then.text, always.text))
    if opened is Opened.TAKEN or before.is_over:
        raise Conflict(f"there is a batch {ref} already", hint="each batch has an id of its own")
    return {"batch": ref, "opened": before.state is BatchState.UNKNOWN, "warning": then.warning or always.warning}


def close_batch(store: Store, ref: str, count: int | None = None) -> dict[str, Any]:
    """Let nobody add to a batch but its members; return what is told of that as JSON.

    ``count``: so many were added from outside; None, or fewer: those that it has heard of.
    Raises: NotFound; Conflict when somebody has closed it before; InvalidName, InvalidOption.
    """
    queue, batch_id = batch_ref(ref)
    with explaining_batch(store, queue, batch_id):
        count = max(count or 0, store.run(batches.batch_status(queue, batch_id)).total)
        closed = run_steps(store.run, acting(queue, batches.close_batch(queue, batch_id, count)))
    batches.check(closed, ref, "closed")
    return {"batch": ref, "closed": True, "count": count}


def check_is_open(store: Store, ref: str) -> None:
    """Raise NotFound or Conflict unless somebody may add to a batch who is no member of it."""
    queue, batch_id = batch_ref(ref)
    with explaining_batch(store, queue, batch_id):
        status = store.run(batches.batch_status(queue, batch_id))
    batches.check_open(status)


def tell_batch(store: Store, place: str, ref: str) -> None:
    """Have a batch hear of a member that was added in this queue, or partition; if that cannot be, a daemon does."""
    if place != batch_ref(ref)[0]:
        with suppress(StoreError):
            run_steps(store.run, Telling(place).go_through(0))


def retry_batch(store: Store, ref: str) -> dict[str, Any]:
    """Send all dead members of a batch back to ready; return what is told of that as JSON, see `retried_in_words`.

    Raises: NotFound; Conflict when it is over; InvalidName, InvalidOption.
    """
    queue, batch_id = batch_ref(ref)
    with explaining_batch(store, queue, batch_id):
        answer = run_steps(store.run, retrying(queue, batch_id))
    batches.check(answer.batch, ref, "over")
    return {"batch": ref, "retried_count": answer.retried, "refused_count": answer.key_taken}


def retried_in_words(answer: Mapping[str, Any]) -> str:
    """Return in words what `retry_batch` returns."""
    refused = answer["refused_count"]
    text = f"{plural(answer['retried_count'], 'dead member')} sent back"
    return f"{text}, {refused} refused: a newer job has their key" if refused else text


def batch_json(status: BatchStatus) -> dict[str, Any]:
    """Return a batch as the JSON that outside tools see."""
    return {
        "queue": status.queue, "id": status.id, "state": status.state.value, "total": status.total,
        "open": status.open, "succeeded": status.succeeded, "dead": status.dead, "kept": status.kept,
        "on_dead": status.on_dead.value, "created_ms": status.created_ms, "finished_ms": status.finished_ms,
    }  # fmt: skip


def record_json(record: BatchRecord) -> dict[str, Any]:
    """Return a batch with what comes after it."""
    return batch_json(record.status) | {
        "then": steps_json(record.then), "always": steps_json(record.always), "expected": record.expected,
        "cancelling": record.is_cancelled and not record.status.is_over, "keep_ms": record.keep_ms,
        "rejected": list(record.rejected),
    }  # fmt: skip


def found_json(found: FoundBatch) -> dict[str, Any]:
    """Return a batch with its members, as `batch show` and the API tell it."""
    return {"batch": record_json(found.record), "open": found.open, "dead": found.dead, "kept": found.kept}


def rejected_in_words(record: BatchRecord) -> list[str]:
    """Return of each callback that was rejected where that says why."""
    where = f"jqctl job list --queue {record.status.queue} --state rejected says why"
    return [f"{word} was rejected, and does not come: {where}" for word in record.rejected]


def what_it_waits_for(record: BatchRecord) -> str:
    """Return what a batch waits for, or what it has come to, in words."""
    status, dead = record.status, plural(record.status.dead, "member")
    match status.state:
        case BatchState.OPEN if record.expected is not None:
            return f"waits for {record.expected - status.total} of {record.expected} members that were added"
        case BatchState.OPEN:
            return "not closed: more members may come"
        case BatchState.RUNNING if record.is_cancelled:
            return f"its members are being cancelled, {status.open} to go"
        case BatchState.RUNNING:
            return f"waits for {plural(status.open, 'member')}"
        case BatchState.WAITING:
            return f"waits for {dead} that died: retry what is dead, or cancel it"
        case BatchState.FAILED:
            return f"{dead} died" if status.dead else "a member was forgotten or deleted before it succeeded"
        case BatchState.SUCCEEDED if status.dead:
            return f"over, and {dead} died"
        case _:
            return ""
