"""Schedules that an application adds at run time, as its users ask for them; those in code are in `periodic`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from jqjobs.api.both_ways import both_ways
from jqjobs.api.engine import Engine
from jqjobs.api.function import Job
from jqjobs.api.periodic import call_of, check_periodic, entry_of, timetable
from jqjobs.base.clock import Duration, duration_ms
from jqjobs.errors import Conflict, InvalidOption
from jqjobs.jobs.records import check_name
from jqjobs.jobs.schedule_entry import check_added_name, check_overlap
from jqjobs.jobs.timetable import Missed, Policy, next_tick
from jqjobs.store.calls.added import REFUSALS, AddAnswer, AddedPage, add_schedule, added, added_by_name, remove_schedule
from jqjobs.store.calls.schedules import Planned
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.reads.jobs import arguments_of
from jqjobs.store.steps import Steps

#: Schedules of one page.
_PAGE = 1000


class ScheduleInfo(NamedTuple):
    """A schedule that was added at run time. Times in ms since the epoch.

    ``next_ms``: when it comes next; None: it is paused, its end has come, or nobody can read it. ``last_ms``: its last
    tick that made a job, ``last_job``: of that id. ``until_ms``: its end, if it has one.
    """

    name: str
    queue: str
    job: str | None
    args: list[Any] | None
    kwargs: dict[str, Any] | None
    cron: str | None
    tz: str | None
    every_ms: int | None
    until_ms: int | None
    next_ms: int | None
    last_ms: int | None
    last_job: str | None
    paused_ms: int | None


class AddedSchedules:
    """The schedules in Redis that nobody's code has. They come until they are removed, whatever is deployed.

    All raises StoreError and its kinds. Without ``queue`` it is about all queues that the jobs of this app go to.
    """

    def __init__(self, engine: Engine, queues: Sequence[str]) -> None:
        """``queues``: those that the jobs of the app go to."""
        self._engine = engine
        self._queues = queues

    def _add(
        self, /, name: str, job: Job[..., Any], cron: str | None = None, *, every: Duration | None = None,
        tz: str | None = None, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None,
        missed: str = Missed.LATEST, catch_up: Duration = "1h", overlap: bool = True,
        until: datetime | Duration | None = None, replace: bool = False, **options: Any,
    ) -> Steps[bool]:  # fmt: skip
        """Let a job run by itself from now on; return whether that changed something.

        ``name``: letters, digits, ``_.:-``, such as ``"digest:42"``; one in each queue. ``every`` … ``overlap``: as of
        `App.periodic`; ``until``: its end, as ``due`` of `Job.options`; ``replace=True``: change one that is there;
        ``options``: as of `Job.options`. The same again changes nothing.
        Raises: Conflict when another schedule has that name; InvalidName, InvalidOption, InvalidArguments, ConfigError.
        """
        if not isinstance(job, Job):
            raise InvalidOption(
                f"{job!r} is no job", hint="a function that @app.job registered; args=, kwargs= are its"
            )
        job = job.options(**options) if options else job
        check_periodic(job)
        check_overlap(overlap)
        times, policy = timetable(cron, every, tz), Policy(missed, duration_ms(catch_up, "catch_up"))
        entry = entry_of(job, times, policy, *call_of(args, kwargs), overlap)
        stored = entry.added_as(name, None if until is None else self._moment(until))
        yield add_queues([job.queue])
        answer: AddAnswer = yield add_schedule(job.queue, name, stored, replace=replace)
        if (why := REFUSALS.get(answer)) is not None:
            raise Conflict(f"schedule {job.queue}/{name} is not added: {why[0]}", hint=why[1])
        return answer is not AddAnswer.SAME

    def _remove(self, name: str, *, queue: str | None = None) -> Steps[bool]:
        """Let a schedule come no more; return whether there was one. Jobs that it has made stay. Raises: InvalidName.

        Raises Conflict for one in code, and where several queues have one of that name.
        """
        check_added_name(name)
        queues = [*self._named(queue)]
        if len(queues) > 1:
            queues = (yield from self._having(name, queues)) or queues
        is_in_code = False
        for each in queues:
            answer = yield remove_schedule(each, name)
            if answer > 0:
                return True
            is_in_code = is_in_code or answer < 0
        if is_in_code:
            raise Conflict(f"schedule {name} is in the code of an app", hint="take it out of there")
        return False

    def _having(self, name: str, queues: Sequence[str]) -> Steps[list[str]]:
        """Return the queue that has a schedule of this name, if one does. Raises: Conflict when several do."""
        having: list[str] = []
        for each in queues:
            page: AddedPage = yield added_by_name(each, [name])
            if page.schedules:
                having.append(each)
        if len(having) > 1:
            raise Conflict(
                f"several queues have a schedule {name}", hint=f"say which one: queue= one of {', '.join(having)}"
            )
        return having

    def _list(self, *, queue: str | None = None) -> Steps[Sequence[ScheduleInfo]]:
        """Return all of them, of each queue the next to come first. Raises: InvalidName."""
        found: dict[tuple[str, str], ScheduleInfo] = {}
        for each in self._named(queue):
            offset, total = 0, 1
            while offset < total:
                page: AddedPage = yield added(each, _PAGE, offset)
                offset, total = offset + _PAGE, page.total
                found |= {(each, one.name): _info(each, one, page.now_ms) for one in page.schedules}
        return [*found.values()]

    add, add_async = both_ways(_add)
    remove, remove_async = both_ways(_remove)
    list, list_async = both_ways(_list)

    def _moment(self, until: datetime | Duration) -> int:
        from jqjobs.jobs.moments import end_ms  # brings words and zones, which few need

        return end_ms(until, "until", self._engine.now_ms())

    def _named(self, queue: str | None) -> Iterable[str]:
        return self._queues if queue is None else [check_name(queue, "queue")]


def _info(queue: str, planned: Planned, now_ms: int) -> ScheduleInfo:
    entry = planned.entry or {}
    args, kwargs, _ = arguments_of(entry.get("payload"))
    next_ms = None if planned.paused_ms is not None else next_tick(entry, now_ms)
    return ScheduleInfo(
        planned.name, queue, entry.get("job"), args, kwargs, entry.get("cron"), entry.get("tz"), entry.get("every_ms"),
        entry.get("until_ms"), next_ms, planned.ran_ms, planned.ran_id or None, planned.paused_ms,
    )  # fmt: skip
