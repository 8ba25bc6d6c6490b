"""Queues: which there are, and what is said of one in words."""

from __future__ import annotations

import time
from collections.abc import Sequence

from jqjobs.base.clock import span_text
from jqjobs.base.nearest import nearest
from jqjobs.base.words import known_words, moment
from jqjobs.errors import Conflict, InvalidOption, NotFound
from jqjobs.jobs.partitions import Partitions, with_partitions
from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.partitioning import repartition, tidy
from jqjobs.store.reads import queues
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.registry import Registry, read_registry
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.store.whole_queues import places_by_queue


def settings_in_words(queue: QueueStatus) -> str:
    """Return what was set for this queue alone, as `jqctl queue set` takes it; "" for nothing."""
    said = {
        "dead": None if queue.dead_ms is None else span_text(queue.dead_ms), "max-dead": queue.max_dead,
        "max-kept": queue.max_kept, "max-length": queue.max_length,
    }  # fmt: skip
    return " ".join(f"--{name} {value}" for name, value in said.items() if value is not None)


def pause_in_words(queue: QueueStatus) -> str:
    """Return until when a queue is paused, by whom and why, as far as that was said; "" for nothing."""
    until = "" if queue.paused_until_ms is None else f"until {moment(queue.paused_until_ms)}"
    by = queue.paused_by and f"by {queue.paused_by}"
    return ", ".join(filter(None, (until, by, queue.paused_reason and f'"{queue.paused_reason}"')))


def unserved(queue: str, registry: Registry) -> str:
    """Return that nobody serves a queue, and which one is served that its name may be a slip of."""
    similar = nearest(queue, registry.served)
    but = f", but of {similar!r}: is that what was meant?" if similar else ""
    return f"no daemon takes jobs of this queue{but}"


def require_queue(store: Store, queue: str) -> None:
    """Raise NotFound when nothing at all is known of a queue: most likely its name is mistyped."""
    known = queues.known_queues(store)
    if queue in known or not store.run(queues.queue_status(queue)).is_empty:
        return
    if read_registry(store).serves(queue):
        return
    raise NotFound(f"there is no queue {queue!r}", hint=known_words(queue, known, "queues"))


def queues_meant(store: Store, named: Sequence[str]) -> Sequence[str]:
    """Return the queues that are named, where none is all there are, each with its partitions.

    Raises: NotFound, see `require_queue`.
    """
    if not named:
        return queues.known_places(store)
    for queue in named:
        require_queue(store, queue)
    known = places_by_queue(store)
    return [place for queue in named for place in known.get(queue, [queue])]


def repartition_queue(store: Store, queue: str, count: int) -> Partitions:
    """Give a queue so many partitions, and forget former ones that have no jobs. Return those that it has.

    Raises: InvalidOption; Conflict when a daemon has too many other queues to serve them all, or somebody else does
    the same.
    """
    wanted = with_partitions(queue, store.run(partitions(queue)), count)
    by_queue = places_by_queue(store)
    for daemon in read_registry(store).daemons:
        others = [len(by_queue.get(name, [name])) for name in daemon.queues if name != queue]
        most = MAX_QUEUES - bool(daemon.patterns)
        if queue in daemon.queues and len(wanted.places) + sum(others) > most:
            raise Conflict(
                f"workers of daemon {daemon.name} serve at most {most} queues and partitions; with {count} of {queue} "
                f"they would have {len(wanted.places) + sum(others)}",
                hint=f"have {queue} served by a daemon of its own: jqd --queues {queue}",
            )
    run_steps(store.run, repartition(queue, count))
    known: Partitions | None = run_steps(store.run, tidy(queue))
    assert known is not None
    return known


def due_of(until: str) -> str:
    """Return the end of a pause as the store wants it, "" for none. Raises: InvalidOption."""
    if not until:
        return ""
    from jqjobs.jobs.moments import due_text

    moment = due_text(until, "until", time.time_ns() // 1_000_000)
    if not moment:
        raise InvalidOption(f"until {until!r} is now", hint="give a moment to come, such as 'in 2h'")
    return moment
