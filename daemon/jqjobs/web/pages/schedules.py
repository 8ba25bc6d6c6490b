"""What runs by itself: when each schedule comes next, what became of its last run; pause, resume, run now."""

from __future__ import annotations

from typing import NamedTuple

from jqjobs.operations.schedules import Listed, find_schedule, new_run, read_schedules
from jqjobs.operations.storing import store_job
from jqjobs.store.calls.schedules import CLASH_HINT, suspend
from jqjobs.web.access import Right
from jqjobs.web.http import Response
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.visit import Visit


class ScheduleRow(NamedTuple):
    """A schedule. ``trouble``: why it does not come, "" when it does."""

    listed: Listed
    when: str
    trouble: str
    last_url: str
    path: str
    is_paused: bool


def schedules(visit: Visit) -> Response:
    """Show all schedules."""
    report = visit.snapshot()
    found = read_schedules(visit.store, [queue.name for queue in report.status.queues])
    return visit.page(
        "schedules.html", rows=[_row(visit, each) for each in found], now_ms=report.now_ms,
        may=visit.access.may(Right.SCHEDULE),
    )  # fmt: skip


def _row(visit: Visit, each: Listed) -> ScheduleRow:
    planned = each.planned
    last_url = job_url(visit, each.queue, planned.ran_id) if planned.ran_id else ""
    when = str(each.times) if each.times else "?"
    path = path_of("schedules", each.queue, planned.name)
    return ScheduleRow(each, when, _trouble(each), last_url, path, planned.paused_ms is not None)


def _trouble(each: Listed) -> str:
    if each.broken:
        return f"its entry cannot be used: {each.broken}"
    if not each.planned.offered:
        return "no live worker has it in its code: start the daemon of its app"
    return f"several apps have it: {CLASH_HINT}" if len(each.planned.apps) > 1 else ""


def pause(visit: Visit) -> Response:
    """Pause a schedule."""
    return _switch(visit, resume=False)


def resume(visit: Visit) -> Response:
    """Resume a schedule."""
    return _switch(visit, resume=True)


def _switch(visit: Visit, *, resume: bool) -> Response:
    word, reference = "resume" if resume else "pause", _reference(visit)
    queue, planned = find_schedule(visit.store, reference)
    visit.act(Right.SCHEDULE, reference, act=word)
    visit.run(suspend(queue, planned.name, resume=resume))
    return visit.done("/schedules", f"{reference} is {word}d")


def run_now(visit: Visit) -> Response:
    """Enqueue the job of a schedule now, beside its ticks."""
    reference = _reference(visit)
    queue, planned = find_schedule(visit.store, reference)
    visit.act(Right.SCHEDULE, reference, act="run")
    made = store_job(visit.store, queue, new_run(planned))
    said = "enqueued" if made.created else "an earlier run has not ended, nothing is added"
    return visit.done(path_of("jobs", queue, made.id), f"{reference}: {said}")


def _reference(visit: Visit) -> str:
    return f"{visit.params['queue']}/{visit.params['name']}"
