"""One job, enqueued by its name without the code of the app."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from jqjobs.errors import InvalidOption
from jqjobs.jobs.flow import MAX_ROOT_LENGTH, batch_ref, flow_fields
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import PRIORITIES, Coalesce, Enqueued, NewJob, check_name, new_id
from jqjobs.operations.batches import check_is_open, tell_batch
from jqjobs.operations.offers import check_arguments, destination, warning_of
from jqjobs.operations.storing import store_job
from jqjobs.operations.wanted_steps import WantedStep, check_ids, read_steps, written_steps
from jqjobs.store.reads.catalog import Offer
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
    """A job that somebody wants, as far as it can be judged without Redis. ``queue`` None: where it is registered.

    ``then``: what is to come after it; ``batch``: the one that is to wait for it, "queue/id".
    """

    job: NewJob
    options: Options
    queue: str | None
    is_unchecked: bool
    then: Sequence[WantedStep] = ()
    batch: str | None = None


def wanted(
    name: str, payload: bytes, options: Options, queue: str | None = None, *, unchecked: bool = False,
    then: Iterable[Any] = (), batch: str | None = None,
) -> Wanted:  # fmt: skip
    """Return a job that is wanted. ``unchecked``: also when the arguments do not fit what live workers have.

    ``then``: as `read_steps` takes it. Raises: InvalidName, InvalidOption, InvalidArguments.
    """
    check_name(name, "job name")
    if queue is not None:
        check_name(queue, "queue")
    options.check_key()
    asked = Wanted(_new_job(name, payload, options), options, queue, unchecked, read_steps(then), batch)
    _check_flow(asked)
    return asked


def _check_flow(asked: Wanted) -> None:
    """Raise InvalidOption for what an inbox refuses of a job that others wait for (rules/arrival/flow_words.lua)."""
    if asked.batch is not None:
        batch_ref(asked.batch)
    if not (asked.then or asked.batch):
        return
    if asked.options.replace:
        raise InvalidOption("replace goes neither with what comes after a job, nor with a batch")
    if asked.batch and any(step.is_list for step in asked.then):
        raise InvalidOption("a member of a batch has no lists among its steps")
    if len(asked.job.id) > MAX_ROOT_LENGTH:
        raise InvalidOption(
            f"with steps after it, or in a batch, a job has an id of at most {MAX_ROOT_LENGTH} characters"
        )
    check_ids(len(asked.job.id), 2, asked.then)


def enqueue_job(
    store: Store, asked: Wanted, shown: Callable[[Offer], Offer] = lambda offer: offer, wait: Wait | None = None
) -> Stored:  # fmt: skip
    """Store a job that is wanted. ``shown``: what of an offer who asks may see. ``wait``: for replicas, see JQ_WAIT.

    Raises: InvalidArguments, InvalidOption, NotFound, Conflict, StoreError and its kinds.
    """
    queue, offer = destination(store, asked.queue, asked.job.name)
    if offer and not asked.is_unchecked:
        check_arguments(offer, asked.job.payload, shown(offer))
    job = _completed(asked.job, asked.options, offer.entry if offer else {})
    steps = written_steps(store, asked.then, shown, unchecked=asked.is_unchecked)
    job = dataclasses.replace(job, fields=(*job.fields, *flow_fields(steps.text, asked.batch)))
    warning = warning_of(store, queue, job.name, is_offered=offer is not None) or steps.warning
    if asked.batch:
        check_is_open(store, asked.batch)
    made = store_job(store, queue, job, wait)
    if asked.batch:
        tell_batch(store, made.place or queue, asked.batch)
    return Stored(queue, job.due, made, warning)


def _new_job(name: str, payload: bytes, options: Options) -> NewJob:
    return NewJob(
        name, payload, options.id or new_id(), options.priority or 0, options.due_text(), options.key or "",
        options.fields(),
    )  # fmt: skip


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
