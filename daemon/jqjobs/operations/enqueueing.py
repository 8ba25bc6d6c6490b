"""One job, enqueued by its name without the code of the app."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from jqjobs.jobs.options import Options
from jqjobs.jobs.records import PRIORITIES, Coalesce, Enqueued, NewJob, check_name, new_id
from jqjobs.operations.offers import check_arguments, find_offer, warning_of
from jqjobs.operations.storing import store_job
from jqjobs.store.reads.catalog import Offer, offer_in
from jqjobs.store.replication import Wait
from jqjobs.store.reply_values import integer, string
from jqjobs.store.store import Store


class Stored(NamedTuple):
    """What became of it. ``due``: as `jobs.moments` writes it; ``warning``: why nobody may run it."""

    queue: str
    due: str
    made: Enqueued
    warning: str | None

    def as_json(self) -> dict[str, Any]:
        """Return what `jqctl enqueue` and the API tell."""
        return {
            "id": self.made.id, "queue": self.queue, "created": self.made.created, "replaced": self.made.replaced,
            "due_ms": int(self.due) if self.due.isdecimal() else None, "warning": self.warning,
        }  # fmt: skip


class Wanted(NamedTuple):
    """A job that somebody wants, as far as it can be judged without Redis. ``queue`` None: where it is registered."""

    job: NewJob
    options: Options
    queue: str | None
    is_unchecked: bool


def wanted(
    name: str, payload: bytes, options: Options, queue: str | None = None, *, unchecked: bool = False
) -> Wanted:  # fmt: skip
    """Return a job that is wanted. ``unchecked``: also when the arguments do not fit what live workers have.

    Raises: InvalidName, InvalidOption.
    """
    check_name(name, "job name")
    if queue is not None:
        check_name(queue, "queue")
    options.check_key()
    return Wanted(_new_job(name, payload, options), options, queue, unchecked)


def enqueue_job(
    store: Store, asked: Wanted, shown: Callable[[Offer], Offer] = lambda offer: offer, wait: Wait | None = None
) -> Stored:  # fmt: skip
    """Store a job that is wanted. ``shown``: what of an offer who asks may see. ``wait``: for replicas, see JQ_WAIT.

    Raises: InvalidArguments, NotFound, Conflict, StoreError and its kinds.
    """
    queue, offer = destination(store, asked.queue, asked.job.name)
    if offer and not asked.is_unchecked:
        check_arguments(offer, asked.job.payload, shown(offer))
    job = _completed(asked.job, asked.options, offer.entry if offer else {})
    warning = warning_of(store, queue, job.name, is_offered=offer is not None)
    return Stored(queue, job.due, store_job(store, queue, job, wait), warning)


def _new_job(name: str, payload: bytes, options: Options) -> NewJob:
    return NewJob(
        name, payload, options.id or new_id(), options.priority or 0, options.due_text(), options.key or "",
        options.fields(),
    )  # fmt: skip


def destination(store: Store, queue: str | None, name: str) -> tuple[str, Offer | None]:
    """Return the queue that is meant, and what is offered there under this name."""
    if queue is not None:
        return queue, offer_in(store, queue, name)
    offer = find_offer(store, name)
    return offer.queue, offer


def _completed(job: NewJob, options: Options, entry: dict[str, Any]) -> NewJob:
    """Add what the command line leaves to the job's registration, as ingestion does with an envelope."""
    priority = integer(entry.get("priority")) or 0
    if options.priority is None and priority in PRIORITIES:
        job = dataclasses.replace(job, priority=priority)
    if options.when is None:
        job = dataclasses.replace(job, due=_published_due(entry))
    if options.key is None:
        return job
    published = string(entry.get("coalesce"))
    mode = options.coalesce or (published if published in list(Coalesce) else None) or Coalesce.UNFINISHED
    replaces = entry.get("replace") is True if options.replace is None else options.replace
    return dataclasses.replace(job, coalesce=mode, replace=replaces)


def _published_due(entry: dict[str, Any]) -> str:
    words, delay_ms = string(entry.get("delay")), integer(entry.get("delay_ms")) or 0
    return Options(delay=words or delay_ms / 1000).due_text()
