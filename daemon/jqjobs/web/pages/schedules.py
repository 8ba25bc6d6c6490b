"""What runs by itself: when each schedule comes next, what became of its last run; pause, resume, run now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.operations.schedules import Listed, read_schedules
from jqjobs.store.calls.schedules import CLASH_HINT, DOUBLE_HINT
from jqjobs.store.reply_values import string
from jqjobs.web.access import Right
from jqjobs.web.acting import act_on_schedule
from jqjobs.web.http import Response
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.pages.new_job import may_schedule
from jqjobs.web.visit import Visit

#: Beside the next one.
_LATER_TICKS = 2


class ScheduleRow(NamedTuple):
    """A schedule. ``later_ms``: when it comes after the next time. ``trouble``: why it does not, "" when it does.

    ``edit_url``: of the form in which it is changed, "" for one in code.
    """

    listed: Listed
    job: str
    when: str
    later_ms: Sequence[int]
    trouble: str
    last_url: str
    path: str
    is_paused: bool
    edit_url: str


def schedules(visit: Visit) -> Response:
    """Show all schedules."""
    report = visit.snapshot()
    found = read_schedules(visit.store, [queue.name for queue in report.status.queues])
    return visit.page(
        "schedules.html", rows=[_row(visit, each) for each in found], now_ms=report.now_ms,
        may=visit.access.may(Right.SCHEDULE), may_add=may_schedule(visit),
    )  # fmt: skip


def _row(visit: Visit, each: Listed) -> ScheduleRow:
    planned = each.planned
    last_url = job_url(visit, each.queue, planned.ran_id) if planned.ran_id else ""
    when = str(each.times) if each.times else "?"
    path = path_of("schedules", each.queue, planned.name)
    job = string((planned.entry or {}).get("job")) or "?"
    may_edit = planned.added and may_schedule(visit)
    edit_url = visit.url(path_of("new", each.queue, job, "schedule"), edit=planned.name) if may_edit else ""
    is_paused = planned.paused_ms is not None
    return ScheduleRow(each, job, when, _later(each), _trouble(each), last_url, path, is_paused, edit_url)


def _later(each: Listed) -> list[int]:
    found, at_ms = list[int](), each.next_ms
    while each.times and at_ms is not None and len(found) < _LATER_TICKS:
        if (at_ms := each.times.after(at_ms)) is not None:
            found.append(at_ms)
    return found


def _trouble(each: Listed) -> str:
    if each.broken:
        return f"its entry cannot be used: {each.broken}"
    if not each.planned.offered:
        return "no live worker has it in its code: start the daemon of its app"
    if each.planned.has_double:
        return f"it is in code, and was added at run time too: {DOUBLE_HINT}"
    return f"several apps have it: {CLASH_HINT}" if len(each.planned.apps) > 1 else ""


def act(visit: Visit) -> Response:
    """Pause, resume or remove a schedule, or enqueue its job now, beside its ticks."""
    queue, name, word = (visit.params[part] for part in ("queue", "name", "act"))
    answer = act_on_schedule(visit, word, queue, name)
    if word != "run":
        return visit.done("/schedules", f"{queue}/{name} is {word}d")
    said = "enqueued" if answer["created"] else "an earlier run has not ended, nothing is added"
    return visit.done(path_of("jobs", answer["queue"], answer["id"]), f"{queue}/{name}: {said}")
