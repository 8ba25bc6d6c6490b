"""Schedules: which there are, what became of the last run, the job of a tick; read from the store, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from jqjobs.base.clock import span_text
from jqjobs.base.nearest import did_you_mean
from jqjobs.base.words import moment
from jqjobs.errors import Conflict, JqError, NotFound, StoreError
from jqjobs.jobs.groups import FIELD, group_in
from jqjobs.jobs.records import NewJob, new_id
from jqjobs.jobs.schedule_entry import parse_schedule_ref
from jqjobs.operations.storing import store_job
from jqjobs.store.call import Call
from jqjobs.store.calls.added import added, added_by_name, remove_schedule
from jqjobs.store.calls.schedules import Planned, agenda, suspend
from jqjobs.store.reads.jobs import JobInfo, Trace, job_or_trace
from jqjobs.store.reads.queues import known_queues
from jqjobs.store.reply_values import integer, string
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


def read_schedules(
    store: Store, queues: Sequence[str], broken: Callable[[str, StoreError], object] = lambda *_: None
) -> list[Listed]:
    """Read the schedules of queues, by queue and name; of those added at run time the thousand that come next.

    ``broken``: told of each queue that cannot be read.
    """
    found: list[tuple[str, Planned, int]] = []
    looks: list[Call[Any]] = [call for queue in queues for call in (agenda(queue), added(queue))]
    answers = iter(store.run_many(looks))
    for queue, answer, page in zip(queues, answers, answers, strict=True):
        if isinstance(answer, StoreError) or isinstance(page, StoreError):
            broken(queue, answer if isinstance(answer, StoreError) else page)
            continue
        by_name = sorted([*(answer.schedules or ()), *page.schedules], key=lambda planned: planned.name)
        found += [(queue, planned, answer.now_ms) for planned in by_name]
    runs = raise_first(store.run_many([job_or_trace(queue, planned.ran_id or "-") for queue, planned, _ in found]))
    return [_listed(*item, run) for item, run in zip(found, runs, strict=True)]


def list_one(store: Store, queue: str, planned: Planned, now_ms: int) -> Listed:
    """Return what is told of one schedule."""
    return _listed(queue, planned, now_ms, store.run(job_or_trace(queue, planned.ran_id or "-")))


def _listed(queue: str, planned: Planned, now_ms: int, run: JobInfo | Trace) -> Listed:
    from jqjobs.jobs.timetable import before_end, read_entry

    outcome = _outcome(run) if planned.ran_id else None
    try:
        times, _ = read_entry(planned.entry or {})
    except JqError as error:
        return Listed(queue, planned, None, error.in_one_line(), None, outcome)
    comes = planned.offered and planned.paused_ms is None
    next_ms = before_end(planned.entry or {}, times.after(now_ms)) if comes else None
    return Listed(queue, planned, times, "", next_ms, outcome)


def _outcome(run: JobInfo | Trace) -> str:
    if isinstance(run, Trace):
        return "succeeded" if run.succeeded else "gone"
    return "succeeded" if run.state == "kept" else run.reason or run.state


def schedule_json(each: Listed) -> dict[str, Any]:
    """Return a schedule as `schedule list` tells it."""
    planned, times, entry = each.planned, each.times, each.planned.entry or {}
    every_ms = times.every_ms if times else 0
    return {
        "name": planned.name, "queue": each.queue, "job": string(entry.get("job")),
        "cron": times.cron or None if times else None, "tz": times.tz if times and times.cron else None,
        "every_s": every_ms / 1000 if every_ms else None, "missed": string(entry.get("missed")),
        "overlap": entry.get("overlap") is not False, "paused": planned.paused_ms is not None,
        "offered": planned.offered, "apps": list(planned.apps), "next_ms": each.next_ms, "last_tick_ms": planned.ran_ms,
        "last_job": planned.ran_id or None, "last_run": each.outcome, "broken": each.broken or None,
        "added": planned.added, "until_ms": integer(entry.get("until_ms")),
    }  # fmt: skip


def options_in_words(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return what is said of the jobs of a schedule, beside their priority, as it would be typed."""
    fields = [word for word in entry.get("fields") or () if isinstance(word, str)]
    stored = dict(zip(fields[::2], fields[1::2], strict=False))
    spans = {name: integer(stored.get(name)) for name in ("timeout", "expires", "keep")}
    words = {"group": group_in(stored.get(FIELD))} | {
        name: stored.get(name) for name in ("max_attempts", "max_crashes", "tags")
    }
    return {name: word for name, word in words.items() if word} | {
        name: span_text(ms) for name, ms in spans.items() if ms
    }


class Tick(NamedTuple):
    """A moment at which a schedule comes; ``local``: what a clock shows then in its time zone, "" in UTC."""

    at_ms: int
    local: str

    def __str__(self) -> str:
        return f"{moment(self.at_ms)}{self.local and f'  {self.local}'}"


def next_ticks(planned: Planned, now_ms: int, count: int) -> list[Tick]:
    """Return the next ticks of a schedule, fewer if there are no more. Raises: Conflict when its entry is broken."""
    from jqjobs.jobs.timetable import read_entry, zone_of

    try:
        times, _ = read_entry(planned.entry or {})
    except JqError as error:
        raise Conflict(f"the entry of schedule {planned.name} cannot be read: {error.message}", error.hint) from None
    ticks: list[Tick] = []
    after_ms = now_ms
    while len(ticks) < count and (at_ms := times.after(after_ms)) is not None:
        after_ms = at_ms
        local = "" if times.tz == "UTC" else f"{datetime.fromtimestamp(at_ms / 1000, zone_of(times.tz)):%a %H:%M:%S %Z}"
        ticks.append(Tick(at_ms, local))
    return ticks


NO_SUCH = "see jqctl schedule list; one in code is there once a worker that has it was ready"


def find_schedule(store: Store, reference: str) -> tuple[str, Planned]:
    """Return the queue of a schedule and the schedule, named as ``queue/name`` or by its name alone.

    Raises: InvalidName, NotFound; Conflict when several queues have one of that name.
    """
    queue, name = parse_schedule_ref(reference)
    queues = [queue] if queue else known_queues(store)
    agendas = store.run_all([agenda(each) for each in queues])
    pages = store.run_all([added_by_name(each, [name]) for each in queues])
    found = [
        (each, planned)
        for each, answer, page in zip(queues, agendas, pages, strict=True)
        for planned in [one for one in (*page.schedules, *(answer.schedules or ())) if one.name == name][:1]
    ]
    if not found:
        meant = did_you_mean(name, {one.name for answer in agendas for one in answer.schedules or ()})
        raise NotFound(f"there is no schedule {reference}", hint=f"{meant} {NO_SUCH}".lstrip())
    if len(found) > 1:
        several = ", ".join(f"{each}/{name}" for each, _ in found)
        raise Conflict(f"several queues have a schedule {name}", hint=f"say which one: {several}")
    return found[0]


def new_run(planned: Planned) -> NewJob:
    """Return the job that a tick of a schedule would enqueue, under an id of its own. Raises: Conflict."""
    entry = planned.entry or {}
    job, payload, fields = string(entry.get("job")), string(entry.get("payload")), entry.get("fields") or ()
    if job is None or payload is None or not isinstance(fields, Sequence):
        raise Conflict(
            f"the entry of schedule {planned.name} cannot be read", hint="was it written by a newer version?"
        )
    key = f"schedule:{planned.name}" if entry.get("overlap") is False else ""
    priority = integer(entry.get("priority")) or 0
    return NewJob(job, payload.encode(), new_id(), priority, "", key, tuple(map(str, fields)))


def switch_schedule(store: Store, reference: str, *, resume: bool) -> dict[str, Any]:
    """Pause or resume a schedule; return what is told of that as JSON. Raises: InvalidName, NotFound, Conflict."""
    queue, planned = find_schedule(store, reference)
    changed = store.run(suspend(queue, planned.name, resume=resume))
    if changed < 0:
        raise NotFound(f"there is no schedule {reference}", hint=NO_SUCH)
    return {"schedule": planned.name, "queue": queue, "paused": not resume, "changed": changed == 1}


def drop_schedule(store: Store, reference: str) -> dict[str, Any]:
    """Remove a schedule that was added at run time; return what is told of that as JSON.

    Raises: InvalidName, NotFound; Conflict for one in code.
    """
    queue, planned = find_schedule(store, reference)
    if store.run(remove_schedule(queue, planned.name)) < 1:
        raise Conflict(f"schedule {queue}/{planned.name} is in the code of an app", hint="take it out of there")
    return {"schedule": planned.name, "queue": queue, "removed": True}


def run_schedule(store: Store, reference: str) -> dict[str, Any]:
    """Enqueue the job of a schedule now; return what is told of that as JSON.

    Raises: InvalidName, NotFound, Conflict, StoreError and its kinds.
    """
    queue, planned = find_schedule(store, reference)
    made = store_job(store, queue, new_run(planned))
    return {"schedule": planned.name, "queue": queue, "id": made.id, "created": made.created}
