"""What `jqctl schedule list` tells: read from the store, as JSON, and as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from jqjobs.cli.output import complain, moment
from jqjobs.cli.tables import Column, Part, Table
from jqjobs.errors import JqError, StoreError
from jqjobs.store.calls.schedules import CLASH_HINT, Planned, agenda
from jqjobs.store.reads.jobs import JobInfo, Trace, job_or_trace
from jqjobs.store.reply_values import string
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

if TYPE_CHECKING:
    from jqjobs.jobs.timetable import Timetable


class Listed(NamedTuple):
    """A schedule with what is made of it. ``broken``: why its entry cannot be used here."""

    queue: str
    planned: Planned
    times: Timetable | None
    broken: str
    next_ms: int | None
    outcome: str | None

    @property
    def ref(self) -> str:
        """``queue/name``, as commands take it."""
        return f"{self.queue}/{self.planned.name}"


def read_schedules(store: Store, queues: Sequence[str]) -> list[Listed]:
    """Read the schedules of queues, by queue and name. A queue that cannot be read is complained of."""
    found: list[tuple[str, Planned, int]] = []
    for queue, answer in zip(queues, store.run_many([agenda(each) for each in queues]), strict=True):
        if isinstance(answer, StoreError):
            complain(f"jqctl: queue {queue}: {answer.in_one_line()}")
            continue
        by_name = sorted(answer.schedules or (), key=lambda planned: planned.name)
        found += [(queue, planned, answer.now_ms) for planned in by_name]
    runs = raise_first(store.run_many([job_or_trace(queue, planned.ran_id or "-") for queue, planned, _ in found]))
    return [_listed(*item, run) for item, run in zip(found, runs, strict=True)]


def _listed(queue: str, planned: Planned, now_ms: int, run: JobInfo | Trace) -> Listed:
    from jqjobs.jobs.timetable import read_entry

    outcome = _outcome(run) if planned.ran_id else None
    try:
        times, _ = read_entry(planned.entry or {})
    except JqError as error:
        return Listed(queue, planned, None, error.in_one_line(), None, outcome)
    comes = planned.offered and planned.paused_ms is None
    return Listed(queue, planned, times, "", times.after(now_ms) if comes else None, outcome)


def _outcome(run: JobInfo | Trace) -> str:
    if isinstance(run, Trace):
        return "succeeded" if run.succeeded else "gone"
    return "succeeded" if run.state == "kept" else run.reason or run.state


def schedule_parts(listed: Sequence[Listed]) -> list[Part]:
    """Return what `jqctl schedule list` tells a person."""
    if not listed:
        return ["No schedule is known. Jobs become periodic by @app.periodic(…), once a worker is ready."]
    columns = (
        Column("SCHEDULE", flexible=True), Column("WHEN", flexible=True), Column("NEXT"),
        Column("LAST TICK", goes=1), Column("RUN"),
    )  # fmt: skip
    return [Table(columns, [_row(each) for each in listed]), *_clashes(listed)]


def _clashes(listed: Sequence[Listed]) -> list[str]:
    return [
        f"{each.ref} is a schedule of {len(each.planned.apps)} apps, {' and '.join(each.planned.apps)}: {CLASH_HINT}"
        for each in listed if len(each.planned.apps) > 1
    ]  # fmt: skip


def _row(each: Listed) -> tuple[str, ...]:
    when = each.broken if each.times is None else str(each.times)
    return each.ref, when, _next(each), moment(each.planned.ran_ms), each.outcome or "-"


def _next(each: Listed) -> str:
    if each.planned.paused_ms is not None:
        return "paused"
    if not each.planned.offered:
        return "no worker has it"
    return "broken" if each.times is None else moment(each.next_ms)


def as_json(each: Listed) -> dict[str, Any]:
    planned, times, entry = each.planned, each.times, each.planned.entry or {}
    every_ms = times.every_ms if times else 0
    return {
        "name": planned.name, "queue": each.queue, "job": string(entry.get("job")),
        "cron": times.cron or None if times else None, "tz": times.tz if times and times.cron else None,
        "every_s": every_ms / 1000 if every_ms else None, "missed": string(entry.get("missed")),
        "overlap": entry.get("overlap") is not False, "paused": planned.paused_ms is not None,
        "offered": planned.offered, "apps": list(planned.apps), "next_ms": each.next_ms, "last_tick_ms": planned.ran_ms,
        "last_job": planned.ran_id or None, "last_run": each.outcome, "broken": each.broken or None,
    }  # fmt: skip
