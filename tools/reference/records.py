"""Every field of the records that an application is given: names and types from the code, meanings from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jqjobs.api.added_schedules import ScheduleInfo
from jqjobs.store.bulk import BulkAnswer
from jqjobs.store.reads.jobs import Attempt, JobInfo
from jqjobs.store.reads.notes import LogLine
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.registry import DaemonInfo, ReloadInfo, RunningJob, WorkerInfo
from jqjobs.store.reads.search import JobRow
from reference.markdown import code, table

_JOB = {
    "id": "its id",
    "queue": "its queue",
    "name": "the job name",
    "state": "the state it is in, see the [glossary](glossary.md#states-of-a-job); `lost`: it is in none",
    "args": "positional arguments; `None`: the payload is not the JSON of a job",
    "kwargs": "keyword arguments; `None`: as above",
    "payload": "the text of a payload that cannot be read; otherwise `None`",
    "priority": "higher first",
    "attempt": "how often it was taken: the fencing token, not the number of tries",
    "executions": "executions that ended; the one that goes on is not among them",
    "failures": "how often it raised or hung; at `max_attempts` it is dead",
    "crashes": "how often its worker died of it; at `max_crashes` it is dead",
    "interrupts": "how often it was stopped by a drain or a recycled worker: free",
    "lost": "leases that ran out in a row: free, 20 make it dead",
    "throttles": "how often a limit held it back",
    "snoozes": "how often it asked to run later: free, up to `max_snoozes` times",
    "max_attempts": "its limit of failures; `None`: the job itself does not say",
    "enqueued_ms": "when it was enqueued",
    "due_ms": "from when on it may run",
    "started_ms": "when a worker took it last",
    "deadline_ms": "until when it waits for an answer of a third party",
    "finished_ms": "when it succeeded or died",
    "worker": "the worker that has it, or had it last",
    "error": "its last error",
    "reason": "why it is dead: `failed`, `hung`, `crashed`, `cancelled`, `expired`, …",
    "result": "what it returned, as JSON carried it",
    "result_missing": "why what it returned could not be stored",
    "progress": "what it last said: a dict of `percent`, `text`, `attempt`, `at_ms`",
    "log": "the lines it left with `current_job().log`",
    "key": "its coalescing key",
    "tags": "words to find it by",
    "group": "what it takes turns as, see [fairness](../how-to/fairness.md)",
    "held_by": "the limit that holds it back",
    "suspect": '"most scope": it may have killed a worker, and runs beside so few others; `None`: it is no suspect',
    "history": "one record for each attempt that did not succeed, the last 20",
    "now_ms": "the clock of Redis when it was read",
    "step": "its number in a [chain](../how-to/workflows.md); `None`: it is in none, or the first",
    "then": "the steps that come when it has succeeded: each with `names`, `queue`, `is_list`",
    "batch": "the batch that it is a member of, `queue/id`",
    "called_by": "the batch whose end has called for it, `queue/id`",
    "partition": "the one of its queue that it is in; `None`: it is in none",
}
_ATTEMPT = {
    "attempt": "its number",
    "reason": "`failed`, `hung`, `crashed`, `interrupted`, `lost`, `deadline` or `cancelled`",
    "error": "the message, with the name of the exception",
    "traceback": "where it was raised; of a hung job the stacks of its worker",
    "worker": "who ran it",
    "started_ms": "when it began",
    "ended_ms": "when it ended",
    "error_class": "`module.Class` of the exception; a built-in one has no module",
}
_SCHEDULE = {
    "name": "its name",
    "queue": "the queue of its jobs",
    "job": "the job name",
    "args": "positional arguments of each call",
    "kwargs": "keyword arguments of each call",
    "cron": "its cron expression",
    "tz": "the time zone of that",
    "every_ms": "instead: how often it comes",
    "until_ms": "its end; `None`: it has none",
    "next_ms": "when it comes next; `None`: it is paused, or does not come again",
    "last_ms": "its last tick that made a job",
    "last_job": "the id of that job",
    "paused_ms": "since when it is paused; `None`: it is not",
}
_LINE = {"attempt": "of which attempt", "text": "the line", "at_ms": "when it was written"}
_ROW = {
    **{name: _JOB[name] for name in JobInfo._fields if name in JobRow._fields},
    "at_ms": "when it is due (scheduled), died, was parked, or is forgotten (kept)",
    "worker": "the worker that has it",
    "key": "its coalescing key",
    "since_ms": "since when it is in its state, or in the queue where that is not known",
    "score": "its place in its state, as Redis has it",
}
_QUEUE = {
    "name": "its name",
    "inbox": "envelopes not looked at yet",
    "ready": "next in their order",
    "scheduled": "due later",
    "active": "in a worker's hand",
    "held": "held back by a limit",
    "waiting": "wait for a third party",
    "parked": "no live worker offers their name, or a function that their arguments fit",
    "suspects": "may have killed a worker: run apart",
    "kept": "succeeded, and kept",
    "dead": "dead",
    "rejected": "envelopes that were refused: no jobs",
    "workers": "workers that have a lease",
    "paused_ms": "since when it is paused",
    "oldest_ready_s": "for how long the oldest ready job could have run",
    "done": "successes since the queue exists",
    "failed": "failed attempts since then",
    "done_per_minute": "in the last 60 s",
    "failed_per_minute": "in the last 60 s",
    "trimmed": "dead jobs that retention has forgotten",
    "now_ms": "the clock of Redis when it was read",
    "misfits": "of the parked, those whose arguments fit no live worker",
    "moving": "on their way to another queue",
    "paused_until_ms": "when it resumes by itself",
    "paused_by": "who paused it",
    "paused_reason": "why",
    "dead_ms": "how long this queue keeps dead jobs; `None`: nobody has said so of it",
    "max_dead": "how many of them; `None`: as above",
    "max_kept": "how many successes it keeps at most; `None`: as above",
    "max_length": "how many jobs may wait in it; `None`: any number",
    "partitions": "of a queue with partitions its places in numbers, the first one its own keys; else empty",
    "busy": "the ids of the workers that have jobs of it in hand",
}
_DAEMON = {
    "id": "host:pid:random",
    "name": "its label (`--name`)",
    "host": "its host",
    "pid": "its process",
    "state": "see the [glossary](glossary.md#states-of-a-daemon)",
    "version": "of jqjobs",
    "queues": "what it serves",
    "workers": "its workers",
    "slots": "how many workers it wants",
    "note": "why it waits, or why a reload was refused",
    "age_s": "since its start",
    "seen_s": "since it last said that it is there",
    "reload": "its last reload",
    "app": "what `--app` says",
    "lease_ms": "its `--lease`",
    "deaths": "workers that ended unasked in the last hour",
    "unwatched": "why the system does not tell it of changed files",
    "host_facts": "memory and limits of its host, for `jqctl doctor`",
    "outbox": "the relay of its app's outbox, if that has one: state, error, pid, age_s, rows, oldest_s, old",
    "processes": "how many workers it may want: a number, or a range from which the jobs decide",
    "weights": "of its queues, and then of its patterns, in their order, where `--queues` gives them any",
    "patterns": "the queues whose names are like these have turns, such as `tenant-*`",
}
_WORKER = {
    "id": "host:pid:random",
    "pid": "its process",
    "state": "see the [glossary](glossary.md#states-of-a-worker)",
    "jobs": "what it runs",
    "rss_bytes": "its memory",
    "age_s": "since its start",
    "release": "of its code: `JQ_RELEASE`, or the git commit",
}
_RUNNING = {
    "id": "its id",
    "name": "the job name",
    "queue": "its queue",
    "attempt": "the number of this attempt",
    "running_s": "for how long by now",
    "progress": "what it last said of itself",
}
_RELOAD = {"number": "how many there were", "state": "`going`, `done`, `refused`; empty: not known",
           "why": "why it was refused"}  # fmt: skip
_BULK = {
    "matched": "so many were meant",
    "done": "on so many it was done",
    "left": "how many are still to be looked at",
    "cursor": "where to go on; `None`: it is through",
    "came_of": "by answer, of how many that was the answer",
}

#: Record → (what returns it, meanings of its fields).
RECORDS: Mapping[type, tuple[str, Mapping[str, str]]] = {
    JobInfo: ("`handle.info()`", _JOB),
    Attempt: ("a line of `history`", _ATTEMPT),
    LogLine: ("a line of `log`", _LINE),
    JobRow: ("`app.queue(…).jobs()`", _ROW),
    QueueStatus: ("`app.queue(…).counts()`", _QUEUE),
    BulkAnswer: ("`retry`, `cancel`, `delete` and `move` of a queue", _BULK),
    DaemonInfo: ("`app.daemons()`", _DAEMON),
    WorkerInfo: ("a worker of a daemon", _WORKER),
    RunningJob: ("a job that a worker runs", _RUNNING),
    ReloadInfo: ("the last reload of a daemon", _RELOAD),
    ScheduleInfo: ("`app.schedules.list()`", _SCHEDULE),
}


def lines() -> Iterator[str]:
    """Yield the page."""
    yield "Times that end in `_ms` are milliseconds since the epoch, by the clock of Redis. `None`: nothing to say."
    yield ""
    for record, (source, meanings) in RECORDS.items():
        yield from [f"## {record.__name__}", "", f"Of {source}.", ""]
        fields = record.__annotations__
        yield from table(
            ("field", "type", "meaning"),
            [(code(name), code(_type(kind)), meanings[name]) for name, kind in fields.items()],
        )
        properties = {name: each for name, each in vars(record).items() if isinstance(each, property)}
        for name, each in properties.items():
            yield f"`{name}`: {(each.__doc__ or '')[0].lower()}{(each.__doc__ or '')[1:]}"
            yield ""


def _type(annotation: object) -> str:
    return str(getattr(annotation, "__forward_arg__", annotation))
