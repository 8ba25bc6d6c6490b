"""A job that a person named: which one it is, and all that is known of it."""

from __future__ import annotations

from jqjobs.base.words import known_words
from jqjobs.errors import Conflict, NotFound
from jqjobs.jobs.partitions import queue_of
from jqjobs.jobs.records import DEFAULT_MAX_ATTEMPTS, parse_ref
from jqjobs.store import keys
from jqjobs.store.partitioning import locate
from jqjobs.store.reads.jobs import JobInfo, Trace, job_or_trace
from jqjobs.store.reads.queues import catalog_entry, known_places, known_queues, queues_with
from jqjobs.store.reply_values import integer, text
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_GONE = (
    "a job that succeeded is removed unless it asked to be kept; raw envelopes are not in before ingestion; "
    "on another Redis or prefix it is not seen from here: jqctl status names this one"
)


def find(store: Store, reference: str) -> tuple[str, str]:
    """Return (place, id) of the job a person named, where it is by now if it was moved; it need not exist.

    The place is its queue, or the partition of it that has the job.

    Raises: InvalidName, NotFound; Conflict when several queues have the id.
    """
    queue, job_id = parse_ref(reference)
    if queue:
        return follow(store, queue, job_id), job_id
    queues = queues_with(store, job_id)
    if not queues:
        raise NotFound(_why_unknown(store, job_id), hint=_GONE)
    if len(queues) > 1:
        several = ", ".join(f"{queue}/{job_id}" for queue in queues)
        raise Conflict(f"several queues have a job {job_id}", hint=f"say which one: {several}")
    return follow(store, queues[0], job_id), job_id


def follow(store: Store, place: str, job_id: str) -> str:
    """Return where a job of this place is: where it was moved to, or in which partition; else this place."""
    key = store.address.key(keys.job(place, job_id))
    exists, moved_to = raise_first(store.wire.pipeline([("EXISTS", key), ("HGET", key, "moved")]))
    if moved_to is not None:
        return follow(store, text(moved_to), job_id)
    there = None if exists else run_steps(store.run, locate(place, job_id))
    return follow(store, there, job_id) if there else place


def _why_unknown(store: Store, job_id: str) -> str:
    names = known_places(store)
    for queue, trace in zip(names, store.run_many([job_or_trace(queue, job_id) for queue in names]), strict=True):
        if isinstance(trace, Trace) and trace.succeeded:
            return trace.in_words(f"{queue_of(queue)}/{job_id}")
    return f"there is no job {job_id}"


def missing(store: Store, queue: str, job_id: str) -> NotFound:
    """Return the error of a job that a script did not find, with what is known of it."""
    found = store.run(job_or_trace(queue, job_id))
    return _not_found(store, queue, job_id, found if isinstance(found, Trace) else Trace(succeeded=False, trimmed=0))


def _not_found(store: Store, queue: str, job_id: str, trace: Trace) -> NotFound:
    queue, known = queue_of(queue), known_queues(store)
    is_slip = queue not in known and not (trace.succeeded or trace.trimmed)
    slip = f"there is no queue {queue!r}: {known_words(queue, known, 'queues')}"
    return NotFound(trace.in_words(f"{queue}/{job_id}"), hint=slip if is_slip else _GONE)


def read_job(store: Store, queue: str, job_id: str) -> JobInfo:
    """Return a job, wherever it was moved, with the limit of attempts that holds for it. Raises: NotFound."""
    info = store.run(job_or_trace(queue, job_id))
    if isinstance(info, Trace):
        if there := info.moved_to or run_steps(store.run, locate(queue, job_id)):
            return read_job(store, there, job_id)
        raise _not_found(store, queue, job_id, info)
    if info.max_attempts is not None:
        return info
    published = (catalog_entry(store, queue, info.name) or {}).get("max_attempts")
    return info._replace(max_attempts=integer(published) or DEFAULT_MAX_ATTEMPTS)
