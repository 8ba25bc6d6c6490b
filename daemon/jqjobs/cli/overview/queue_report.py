"""What commands tell people of queues: the table, and what wants attention. Pure functions from numbers to text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jqjobs.base.clock import format_age
from jqjobs.cli.tables import Column, Table, alarm
from jqjobs.operations.queues import pause_in_words, settings_in_words, unserved
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.registry import Registry

_COLUMNS = (
    Column("QUEUE", flexible=True), Column("INBOX", right=True, goes=4), Column("READY", right=True),
    Column("SCHEDULED", right=True, goes=5), Column("ACTIVE", right=True), Column("HELD", right=True, goes=2),
    Column("WAITING", right=True, goes=1), Column("DEAD", right=True, colour=alarm),
    Column("DONE/MIN", right=True, goes=6), Column("FAIL/MIN", right=True, goes=3, colour=alarm),
    Column("OLDEST", right=True, goes=7),
    Column("PARKED", right=True, wide=True, colour=alarm), Column("SUSPECTS", right=True, wide=True),
    Column("KEPT", right=True, wide=True), Column("REJECTED", right=True, wide=True, colour=alarm),
    Column("DONE", right=True, wide=True), Column("FAILED", right=True, wide=True),
    Column("WORKERS", right=True, wide=True),
)  # fmt: skip
#: Counters of a queue that make sense added up.
_ADDED = tuple(
    name for name in QueueStatus._fields
    if name not in ("name", "oldest_ready_s", "now_ms", "busy", "partitions")
    and not name.startswith(("paused_", "max_", "dead_"))
)  # fmt: skip


def queue_table(queues: Sequence[QueueStatus], registry: Registry, most: int | None) -> Table:
    """Return the table of queues, each with its notes below it; those beyond ``most`` are added up in a last row.

    What wants attention goes first, then who has most jobs.
    """
    notes = {queue.name: list(queue_notes(queue, registry)) for queue in queues}
    ranked = sorted(queues, key=lambda queue: (not any(map(_is_attention, notes[queue.name])), -_jobs(queue)))
    names = {queue.name for queue in ranked[:most]}
    told = [queue for queue in queues if queue.name in names]
    if others := [queue for queue in queues if queue.name not in names]:
        told.append(_sum_of(others))
    below = {number: notes.get(queue.name, ()) for number, queue in enumerate(told)}
    return Table(_COLUMNS, [_queue_cells(queue) for queue in told], notes=below)


def _is_attention(note: str) -> bool:
    return note.lstrip().startswith("!")


def _jobs(queue: QueueStatus) -> int:
    return queue.inbox + queue.ready + queue.scheduled + queue.active + queue.held + queue.waiting


def _sum_of(queues: Sequence[QueueStatus]) -> QueueStatus:
    """Return many queues as one row."""
    added = {name: sum(getattr(queue, name) for queue in queues) for name in _ADDED}
    oldest_s = max((queue.oldest_ready_s for queue in queues if queue.oldest_ready_s is not None), default=None)
    return queues[0]._replace(**added, name=f"… {len(queues)} more", paused_ms=None, oldest_ready_s=oldest_s)


def _queue_cells(queue: QueueStatus) -> list[str]:
    counts = (queue.inbox, queue.ready, queue.scheduled, queue.active, queue.held, queue.waiting, queue.dead)
    rates = (queue.done_per_minute, queue.failed_per_minute)
    oldest = "-" if queue.oldest_ready_s is None else format_age(queue.oldest_ready_s)
    totals = (queue.parked, queue.suspects, queue.kept, queue.rejected, queue.done, queue.failed, queue.workers)
    return [queue.name, *map(str, counts), *(f"{rate:.1f}" for rate in rates), oldest, *map(str, totals)]


def queue_notes(queue: QueueStatus, registry: Registry) -> Iterator[str]:
    """Return what a person should know of a queue, a line each; nothing when all is well."""
    see = f"jqctl job list --queue {queue.name} --state"
    if queue.paused_ms is not None:
        age, said = format_age(max(0, queue.now_ms - queue.paused_ms) / 1000), pause_in_words(queue)
        yield f"  ! PAUSED for {age}{said and f', {said}'}: no job is taken (jqctl queue resume {queue.name})"
    if registry.daemons and not registry.serves(queue.name):
        yield f"  ! NOT SERVED: {unserved(queue.name, registry)} (jqd --queues)"
    if _is_full(queue):
        yield "  ! FULL: as many jobs wait as --max-length lets in; what comes is refused, or stays in the inbox"
    if queue.dead:
        yield f"  ! {queue.dead} DEAD (jqctl errors --queue {queue.name})"
    if queue.trimmed:
        yield f"    {queue.trimmed} dead ones were trimmed: too many or too old (jqd --max-dead, --dead)"
    if queue.partitions:
        waiting = ", ".join(f"{place.name} {place.ready}" for place in queue.partitions if place.ready)
        yield f"    {len(queue.partitions) - 1} partitions{waiting and f', ready in {waiting}'}"
    if queue.rejected:
        yield f"  ! {queue.rejected} REJECTED: raw envelopes that are not valid ({see} rejected)"
    if unknown := queue.parked - queue.misfits:
        yield f"  ! {unknown} PARKED: no live worker offers their job names ({see} parked)"
    if queue.misfits:
        yield f"  ! {queue.misfits} PARKED: their arguments fit no live worker's function ({see} parked)"
    yield from _quiet_notes(queue, see)


def _is_full(queue: QueueStatus) -> bool:
    waiting = queue.ready + queue.scheduled + queue.held + queue.parked + queue.suspects
    return queue.max_length is not None and waiting >= queue.max_length


def _quiet_notes(queue: QueueStatus, see: str) -> Iterator[str]:
    """Return what is as it should be, and not seen in the table."""
    if queue.suspects:
        yield f"    {queue.suspects} may have killed a worker or a daemon: they run apart ({see} suspects)"
    if queue.moving:
        yield f"    {queue.moving} on their way to another queue ({see} moving)"
    if queue.kept:
        yield f"    {queue.kept} kept after success"
    if own := settings_in_words(queue):
        yield f"    of its own: {own}"
