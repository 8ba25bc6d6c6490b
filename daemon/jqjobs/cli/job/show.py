"""`jqctl job show`: all that is known of one job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from jqjobs.base.clock import format_age
from jqjobs.base.words import moment, number
from jqjobs.cli.session import Session, speaks_to_redis
from jqjobs.jobs.blame import Scope, Suspicion, read_suspicion
from jqjobs.jobs.records import parse_ref
from jqjobs.operations.jobs import job_json
from jqjobs.operations.lookup import find, read_job
from jqjobs.operations.status import why_it_waits
from jqjobs.operations.steps import steps_in_words
from jqjobs.store.reads.jobs import Attempt, JobInfo
from jqjobs.store.reads.notes import attempt_of, progress_text
from jqjobs.store.reply_values import integer

#: Characters of one value shown to a person; --json has all of it.
_MOST_SHOWN = 1000


@click.command("show")
@click.argument("job", metavar="ID")
@speaks_to_redis
@click.pass_obj
def show(session: Session, job: str) -> None:
    """Show one job: state, arguments, counters, last error and history.

    ID is queue/id as `enqueue` prints it, or the id alone. "executions" counts executions that ended; the one
    going on is not among them.

    \b
    Examples:
      jqctl job show emails/5d0c8a1b2c3d4e5f6071
      jqctl job show 5d0c8a1b2c3d4e5f6071 --json | jq .job.history
    """
    parse_ref(job)  # a mistyped one is told before Redis is asked
    with session.store() as store:
        info = read_job(store, *find(store, job))
        why = why_it_waits(store, info)
    session.show({"job": job_json(info)}, job_lines(info, why), [f"{info.queue}/{info.id}"])


def job_lines(info: JobInfo, waits: str) -> Iterator[str]:
    """Return the lines of ``job show`` for people. ``waits``: why nobody takes it."""
    yield f"{info.queue}/{info.id}  {info.name}  {info.state.upper()}" + (f" ({info.reason})" if info.reason else "")
    if waits:
        yield f"  {'waits':<12}{waits}"
    for label, value in _facts(info):
        if value:
            yield f"  {label:<12}{_shorten(value)}"
    for line in info.log:
        yield f"  log {moment(line.at_ms)} (attempt {number(line.attempt)}): {_shorten(line.text)}"
    for attempt in info.history:
        yield from _attempt_lines(attempt)


def _facts(info: JobInfo) -> Iterator[tuple[str, str]]:
    yield "args", _json(info.args)
    yield "kwargs", _json(info.kwargs)
    yield "payload", f"NOT READABLE: {info.payload}" if info.payload is not None else ""
    yield "priority", str(info.priority)
    yield "key", info.key or ""
    yield "tags", " ".join(info.tags)
    yield "group", info.group or ""
    yield "batch", info.batch or ""
    yield "called by", f"batch {info.called_by}" if info.called_by else ""
    yield "step", "" if info.step in (None, 1) else f"{info.step} of a chain"
    yield "then", ", ".join(steps_in_words(info.then, info.queue))
    yield "held by", info.held_by or ""
    yield "suspect", _suspicion(info)
    yield "enqueued", _when(info.enqueued_ms, info.now_ms)
    yield "due", _when(info.due_ms, info.now_ms) if info.due_ms != info.enqueued_ms else ""
    yield "taken", _when(info.started_ms, info.now_ms)
    yield "answer by", _when(info.deadline_ms, info.now_ms)
    yield "finished", _when(info.finished_ms, info.now_ms)
    yield "worker", info.worker or ""
    yield "executions", _executions(info)
    yield "error", info.error or ""
    yield "result", _json(info.result) if info.state == "kept" else ""
    yield "no result", info.result_missing or ""
    yield "progress", _progress(info)


def _suspicion(info: JobInfo) -> str:
    if info.suspect is None:
        return ""
    found = read_suspicion(info.suspect) or Suspicion(1, Scope.WORKER)
    where = found.scope.name.lower()
    if found.most <= 1:
        return f"it runs as the only suspect of its {where}, since one may have died of it"
    return f"it runs beside {found.most - 1} other suspects of its {where} at most, since one may have died of it"


def _executions(info: JobInfo) -> str:
    ended = f"{info.executions} ended, and one is going on" if info.state == "active" else f"{info.executions}"
    rest = "".join(f", {n} {what}" for n, what in ((info.lost, "lost"), (info.snoozes, "snoozes")) if n)
    counters = f"{info.failures} of {info.max_attempts} failures, {info.crashes} crashes"
    return f"{ended} ({counters}, {info.interrupts} interrupts, {info.throttles} throttles{rest})"


def _progress(info: JobInfo) -> str:
    said = progress_text(info.progress)
    if not said:
        return ""
    at_ms = integer(info.progress.get("at_ms"))
    age = "" if at_ms is None else f", {format_age(max(0, info.now_ms - at_ms) / 1000)} ago"
    return f"{said} (attempt {number(attempt_of(info.progress))}{age})"


def _attempt_lines(attempt: Attempt) -> Iterator[str]:
    where = f" on {attempt.worker}" if attempt.worker else ""
    took = ""
    if attempt.started_ms is not None and attempt.ended_ms is not None:
        took = f" after {format_age((attempt.ended_ms - attempt.started_ms) / 1000)}"
    ended = f"{attempt.reason or 'unknown'} at {moment(attempt.ended_ms)}"
    yield f"  attempt {number(attempt.attempt)}: {ended}{took}{where}"
    yield from (f"    {_shorten(line)}" for line in (attempt.error or "").splitlines())
    yield from (f"      {_shorten(line)}" for line in (attempt.traceback or "").splitlines())


def _when(ms: int | None, now_ms: int) -> str:
    if ms is None:
        return ""
    age = f"in {format_age((ms - now_ms) / 1000)}" if ms > now_ms else f"{format_age((now_ms - ms) / 1000)} ago"
    return f"{moment(ms)} ({age})"


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _shorten(value: str) -> str:
    return value if len(value) <= _MOST_SHOWN else f"{value[:_MOST_SHOWN]}… ({len(value)} characters; --json has all)"
