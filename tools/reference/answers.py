"""What commands answer with `--json`: fields are those of the code's own records and functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jqjobs.jobs.flow import BatchState, BatchStatus, OnDead
from jqjobs.operations.batches import batch_json
from jqjobs.operations.doctor.findings import Finding
from jqjobs.operations.status import StatusReport, status_json
from jqjobs.operations.top import Head, Running
from jqjobs.store.bulk import BulkAnswer
from jqjobs.store.calls.audit import Note
from jqjobs.store.calls.tail import TailEvent
from jqjobs.store.calls.upkeep import SETTINGS
from jqjobs.store.reads.error_groups import ErrorGroup
from jqjobs.store.reads.jobs import Attempt, JobInfo
from jqjobs.store.reads.notes import LogLine
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.recent import RecentEnd
from jqjobs.store.reads.registry import DaemonInfo, Registry, ReloadInfo, RunningJob, WorkerInfo
from jqjobs.store.reads.relays import RelayInfo
from jqjobs.store.reads.search import JobRow
from reference.markdown import code, table


def _fields(names: Iterable[str], *more: str, **instead: str) -> str:
    """Return the shape of an object; ``instead``: what stands for the value of a field."""
    shown = [f"{name}: {instead[name]}" if name in instead else name for name in (*names, *more)]
    return "{" + ", ".join(shown) + "}"


def _batch() -> Any:
    return batch_json(BatchStatus("q", "b", BatchState.OPEN, 0, 0, 0, 0, 0, OnDead.WAIT, 0, None))


def _row() -> Any:
    return JobRow("i", "q", None, "dead", None, None, 0, None, 0, 0, None, None, None, None).as_json()


_QUEUE = _fields(QueueStatus._fields, "paused", "served")
_RUNNING_JOB = _fields(RunningJob._fields)
_WORKER = _fields(WorkerInfo._fields, jobs=f"[{_RUNNING_JOB}]")
_DAEMON = _fields(
    DaemonInfo._fields, workers=f"[{_WORKER}]", reload=_fields(ReloadInfo._fields), outbox=_fields(RelayInfo._fields)
)
_STEP = "{job, queue} or {all: [job]}"
_JOB = _fields(
    JobInfo._fields, history=f"[{_fields(Attempt._fields)}]", log=f"[{_fields(LogLine._fields)}]", then=f"[{_STEP}]"
)
_BATCH = _fields([*_batch(), f"then: [{_STEP}]", "always: [as then]", "expected", "cancelling", "keep_ms"])
_GROUP = _fields(["count", *(name for name in ErrorGroup._fields if name != "dead")])
_BULK = _fields(["queue", *BulkAnswer().as_json()])
_REPLY = "{id, name, host, pid, state, seen_s, ok, answered, message, facts}"
_SCHEDULE = (
    "{name, queue, job, cron, tz, every_s, missed, overlap, paused, offered, apps, next_ms, last_tick_ms, last_job, "
    "last_run, broken, added, until_ms}"
)
_QUEUES = f"queues: [{_QUEUE}]"
_DAEMONS = f"daemons: [{_DAEMON}]"
_STATUS = _fields((name for name in status_json(StatusReport("", Registry(0, ()), [], {})) if name not in
                   ("queues", "daemons")), _QUEUES, _DAEMONS)  # fmt: skip
_OFFER = "{name, queue, doc, params, defaults, offered_by, priority, max_attempts, max_crashes, timeout_ms, keep_ms}"
_TOP_RUNNING = f"running: [{_fields(Running._fields)}]"
_REFUSED = "refused: [{…}]"
_DEAD = "{id, queue, name, error, died_ms}"

#: Command, or several of one answer → the shape of what it answers, beside `"v": 1`.
ANSWERS = {
    "status": _STATUS,
    "top": f"{{head: {_fields(Head._fields)}, queues: [as of status], {_TOP_RUNNING}, dead: [{_DEAD}]}}",
    "tail": f"a line an event: {_fields(TailEvent._fields)}",
    "doctor": f"{{ok, checks: [{_fields(['id', *Finding._fields])}]}}",
    "audit": f"{{acts: [{_fields(Note._fields)}]}}",
    "errors": f"{{errors: [{_GROUP}]}}",
    "recent": f"{{jobs: [{_fields(RecentEnd._fields)}]}}",
    "jobs": f"{{jobs: [{_OFFER}]}}",
    "enqueue": "{id, queue, created, replaced, due_ms, warning}",
    "scale": "{wanted, busy, ready, due_soon, oldest_s, why}",
    "job list": f"{{jobs: [{_fields(_row())}], cursor, searched, total}}",
    "job show": f"{{job: {_JOB}}}",
    "job retry, cancel, delete, move with a selector": f"{_BULK}, and dry_run where it was one",
    "job retry ID…": f"{{retried, retried_count, refused_count, {_REFUSED}}}",
    "job cancel ID…": f"{{cancelled, cancelling, {_REFUSED}}}",
    "job delete ID…": f"{{deleted, deleted_count, {_REFUSED}}}",
    "job promote ID…": f"{{promoted, promoted_count, {_REFUSED}}}",
    "job move ID…": f"{{moved, moved_count, to, {_REFUSED}}}",
    "job run": "{name, outcome, result, error, traceback}",
    "job import": "{imported_count, present_count}",
    "job resolve": "{job, answer}",
    "queue list": f"{{{_QUEUES}}}",
    "queue pause": "{queue, paused, changed, until_ms, by, reason}",
    "queue resume": "{queue, paused, changed}",
    "queue repartition": "{queue, partitions, earlier}",
    "queue set": _fields(["queue", *SETTINGS]),
    "metrics": "{metrics: [{name, kind, help, samples: [{labels: {label: value}, value}, or of histograms "
    "{labels, buckets: {upper bound: count}, sum, count}]}]}",
    "outbox migrate": "{migrated}",
    "outbox run": "{brought, left, stuck: {queue: why}, bad: {row: why}}",
    "outbox status": "{waiting, oldest_s, old}",
    "schedule list": f"{{schedules: [{_SCHEDULE}]}}",
    "schedule show": f"{{schedule: {_SCHEDULE[:-1]}, args, kwargs, priority, options}}}}",
    "schedule add": "{schedule, queue, added, changed, warning}",
    "schedule remove": "{schedule, queue, removed}",
    "schedule next": "{schedule, queue, next_ms: [ms]}",
    "schedule pause, resume": "{schedule, queue, paused, changed}",
    "schedule run": "{schedule, queue, id, created}",
    "batch list": f"{{batches: [{_fields(_batch())}]}}",
    "batch show": f"{{batch: {_BATCH}, open: [queue/id], dead: [queue/id], kept: [queue/id]}}",
    "batch open": "{batch, opened, warning}",
    "batch close": "{batch, closed, count}",
    "batch cancel": "{batch, cancelled}",
    "batch retry": "{batch, retried_count, refused_count}",
    "ping": "{redis, ms, ok, daemons, able, problems: [{id, name, message}]}",
    "daemon list": f"{{{_DAEMONS}}}",
    "daemon quiet, resume, reload, scale, drain, stop, dump": f"{{daemons: [{_REPLY}]}}",
}


def lines() -> Iterator[str]:
    """Yield the page."""
    yield 'Every object carries `"v": 1`. Fields are added, never taken away or changed. Errors stand on stderr:'
    yield "`{error: {code, message, hint}}`, with the codes of the [exceptions](exceptions.md)."
    yield "The fields of jobs, queues and daemons are explained in [records](records.md)."
    yield ""
    yield from table(("`jqctl …`", "answer"), [(command, code(shape)) for command, shape in ANSWERS.items()])
