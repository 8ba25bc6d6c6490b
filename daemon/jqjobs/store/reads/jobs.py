"""Reads a job for people and tools: all that is known of it. Writes nothing; lists are in `search`.

Called by jqctl and by job handles. What is stored may be damaged or of another version; then fields are None, never an
error. Records are named tuples, see `queues`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.errors import StoreError
from jqjobs.jobs.flow import Step, read_steps
from jqjobs.jobs.groups import FIELD, group_in
from jqjobs.jobs.partitions import partition_of, queue_of
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reads.notes import LogLine, log_lines
from jqjobs.store.reply_values import count, fields, integer, json_or_none, strict_json, string, text, words
from jqjobs.store.scripts import script
from jqjobs.store.store import Store

#: In the answer of lua/inspect.lua about a job without a record.
_TRACE_ITEMS = 3


class Attempt(NamedTuple):
    """One line of a job's history: an attempt that did not succeed. Times in ms since the epoch.

    ``error_class``: ``module.Class`` of an error that a worker saw; a built-in one has no module.
    """

    attempt: int | None
    reason: str | None
    error: str | None
    traceback: str | None
    worker: str | None
    started_ms: int | None
    ended_ms: int | None
    error_class: str | None = None


class JobInfo(NamedTuple):
    """All that is known of one job. Times in ms since the epoch.

    ``state``: the set it is in; "lost" when it is in none. ``args``, ``kwargs``: None when the payload is not
    the JSON of a job; then ``payload`` is its text. ``executions`` counts executions that ended: the one that
    an active job may be in is not among them. ``due_ms``: from when on it may run. ``started_ms``: when a
    worker took it last. ``deadline_ms``: until when it waits for an answer. ``reason``: why it is dead.
    ``max_attempts``: None when the job itself does not say. ``held_by``: the limit it waits for.
    ``lost``: leases that ran out in a row. ``suspect``: "most scope", see `jobs.blame.Suspicion`; None: it is none.
    ``progress``: what it last said, a dict of percent, text, attempt and at_ms. ``step``: its number in a chain, None:
    it is none, or the first. ``then``: the steps that come when it has succeeded. ``batch``: that it is a member of;
    ``called_by``: that whose end has called for it; each a queue/id. ``partition``: the one of its queue that it
    is in; None: it is in none.
    """

    id: str
    queue: str
    name: str
    state: str
    args: list[Any] | None
    kwargs: dict[str, Any] | None
    payload: str | None
    priority: int
    attempt: int
    executions: int
    failures: int
    crashes: int
    interrupts: int
    lost: int
    throttles: int
    snoozes: int
    max_attempts: int | None
    enqueued_ms: int | None
    due_ms: int | None
    started_ms: int | None
    deadline_ms: int | None
    finished_ms: int | None
    worker: str | None
    error: str | None
    reason: str | None
    result: Any
    result_missing: str | None
    progress: Any
    log: tuple[LogLine, ...]
    key: str | None
    tags: tuple[str, ...]
    group: str | None
    held_by: str | None
    suspect: str | None
    history: tuple[Attempt, ...]
    now_ms: int
    step: int | None = None
    then: tuple[Step, ...] = ()
    batch: str | None = None
    called_by: str | None = None
    partition: str | None = None

    @property
    def place(self) -> str:
        """The queue, or the partition of it, whose keys have the job."""
        return self.partition or self.queue


class Trace(NamedTuple):
    """What is known of a job without a record. ``succeeded``: it is among the last successes of its queue.

    ``trimmed``: so many dead jobs of that queue were forgotten; it may be one of them. ``moved_to``: the queue where it
    goes on under the same id; that is known for a day.
    """

    succeeded: bool
    trimmed: int
    moved_to: str | None = None

    def in_words(self, ref: str) -> str:
        """Return why there is no record of that ``queue/id``, for people."""
        if self.moved_to:
            return f"job {ref} was moved to queue {self.moved_to}"
        if self.succeeded:
            return f"job {ref} has succeeded, and nothing of it is kept"
        trimmed = f", was one of {self.trimmed} dead ones that were trimmed" if self.trimmed else ""
        return f"there is no job {ref}: it succeeded long ago, was deleted{trimmed}, or never was"


def job_or_trace(queue: str, job_id: str) -> Call[JobInfo | Trace]:
    """Read one job, or what is left of it."""

    def parse(reply: Any) -> JobInfo | Trace:
        if len(reply) > _TRACE_ITEMS:
            return _info(queue, job_id, reply)
        has_succeeded, trimmed, moved_to = [*reply, None][:_TRACE_ITEMS]  # a nil at the end shortens the answer
        return Trace(has_succeeded == 1, count(trimmed), string(moved_to))

    return Call(script("inspect"), (keys.meta(queue),), ("", job_id), parse, repeatable=True)


def job_info(queue: str, job_id: str) -> Call[JobInfo | None]:
    """Read one job; None when there is none of that id."""
    call = job_or_trace(queue, job_id)

    def parse(reply: Any) -> JobInfo | None:
        found = call.parse(reply)
        return found if isinstance(found, JobInfo) else None

    return Call(call.script, call.keys, call.args, parse, repeatable=True)


def _info(queue: str, job_id: str, reply: Any) -> JobInfo:
    now_ms, state, score, worker, flat, history = reply
    f, state = fields(flat), text(state)
    args, kwargs, payload = arguments_of(f.get("payload"))
    enqueued_ms, due_ms = integer(f.get("enqueued")), integer(f.get("due"))
    return JobInfo(
        id=job_id, queue=queue_of(queue), partition=partition_of(queue),
        name=string(f.get("name")) or "", state=state, now_ms=int(now_ms),
        args=args, kwargs=kwargs, payload=payload, key=string(f.get("key")),
        tags=words(f.get("tags")), group=group_in(string(f.get(FIELD))),
        held_by=string(f.get("held_by")),
        priority=integer(f.get("priority")) or 0, attempt=count(f.get("attempt")),
        executions=count(f.get("executions")), failures=count(f.get("failures")),
        crashes=count(f.get("crashes")), interrupts=count(f.get("interrupts")),
        lost=count(f.get("lost")), suspect=string(f.get("suspect")),
        throttles=count(f.get("throttles")), snoozes=count(f.get("snoozes")),
        max_attempts=integer(f.get("max_attempts")),
        enqueued_ms=enqueued_ms, due_ms=enqueued_ms if due_ms is None else due_ms,
        started_ms=integer(f.get("taken")), finished_ms=integer(f.get("finished")),
        deadline_ms=integer(score) if state == "waiting" else None,
        worker=string(worker) or string(f.get("worker")), error=string(f.get("error")), reason=string(f.get("reason")),
        result=json_or_none(f.get("result")), result_missing=string(f.get("result_missing")),
        progress=json_or_none(f.get("progress")), log=log_lines(f.get("log")), history=tuple(map(_attempt, history)),
        step=integer(f.get("step")), then=read_steps(f.get("then") or b""), batch=_batch_of(f.get("batch")),
        called_by=string(f.get("caller")),
    )  # fmt: skip


def _batch_of(said: Any) -> str | None:
    """Return the batch in "home/batch member number", see lua/rules/flow/telling.lua."""
    return (string(said) or "").lstrip("+").partition(" ")[0] or None


def arguments_of(payload: Any) -> tuple[list[Any] | None, dict[str, Any] | None, str | None]:
    """Return the arguments in a payload, args and kwargs; or, when it is not the JSON of a job, its text."""
    try:
        found = strict_json(payload or b"{}")
    except ValueError:
        found = None
    if isinstance(found, dict):
        args, kwargs = found.get("args", []), found.get("kwargs", {})
        if isinstance(args, list) and isinstance(kwargs, dict):
            return args, kwargs, None
    return None, None, text(payload)


def _attempt(line: Any) -> Attempt:
    found = json_or_none(line)
    if not isinstance(found, dict):
        return Attempt(None, None, text(line), None, None, None, None)
    return Attempt(
        integer(found.get("attempt")), string(found.get("reason")), string(found.get("error")),
        string(found.get("traceback")), string(found.get("worker")), integer(found.get("started_ms")),
        integer(found.get("ended_ms")), string(found.get("error_class")),
    )  # fmt: skip


class Glance(NamedTuple):
    """A little of a job. ``name`` None: there is no record of it."""

    name: str | None
    error: str | None
    reason: str | None


def glances(store: Store, places: Sequence[tuple[str, str]]) -> list[Glance]:
    """Return a little of many jobs, each named by queue and id, in one round trip."""
    asked = [("HMGET", store.address.key(keys.job(*place)), "name", "error", "reason") for place in places]
    replies = store.wire.pipeline(asked) if asked else []
    return [Glance(None, None, None) if isinstance(reply, StoreError) else Glance(*map(string, reply))
            for reply in replies]  # fmt: skip
