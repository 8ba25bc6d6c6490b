"""The schedules of an app: which jobs run when by themselves, with which arguments.

Workers publish them in Redis when they are ready, daemons tick them there (`daemon.leases.ticker`). Registered by
`App.periodic`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jqjobs.api.calls import check_begins, fields_of
from jqjobs.api.function import Job
from jqjobs.base.clock import Duration, duration_ms
from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import check_name
from jqjobs.jobs.registration import is_same_source
from jqjobs.jobs.schedule_entry import Entry, check_overlap
from jqjobs.jobs.timetable import Policy, Timetable

#: A job's id is the schedule's name, a dash and the tick in ms; ids have 128 characters at most.
MOST_NAME = 112
MOST_SCHEDULES = 1000


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule: a job with its options, arguments, and when it runs.

    ``overlap`` False: a tick is skipped while the run of an earlier one has not ended.
    """

    name: str
    job: Job[..., Any]
    times: Timetable
    policy: Policy
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    overlap: bool = True

    def __post_init__(self) -> None:
        check_name(self.name, "schedule")
        if len(self.name) > MOST_NAME:
            raise InvalidOption(f"schedule {self.name!r} has more than {MOST_NAME} characters", hint="give schedule=…")
        check_overlap(self.overlap)
        check_periodic(self.job)

    @property
    def queue(self) -> str:
        """The queue its jobs go to."""
        return self.job.queue

    def entry(self) -> str:
        """Return what workers publish, see `jqjobs.store.calls.schedules`. Raises: InvalidArguments, ConfigError."""
        return entry_of(self.job, self.times, self.policy, self.args, self.kwargs, self.overlap).as_json()

    def is_same(self, other: Schedule) -> bool:
        """Whether both come from one line of code, as when a module is both __main__ and imported."""
        mine, theirs = (
            (each.queue, each.times, each.policy, each.args, each.kwargs, each.overlap) for each in (self, other)
        )
        return mine == theirs and is_same_source(self.job.function, other.job.function)


def check_periodic(job: Job[..., Any]) -> None:
    """Raise InvalidOption when a job, or an option that was chosen for it, is not for ticks.

    Raises InvalidArguments when it wants the result of a step before it.
    """
    check_begins(job)
    if job.settings.delay:
        raise InvalidOption(f"{job!r} has a delay, and ticks come at their time", hint="delay calls by options(…)")
    unfit = [name for name in ("id", "key", "delay", "due", "coalesce", "replace") if getattr(job.chosen, name)]
    if unfit:
        raise InvalidOption(f"a periodic job takes no option {unfit[0]!r}", hint="overlap=False coalesces its runs")


def entry_of(
    job: Job[..., Any], times: Timetable, policy: Policy, args: Sequence[Any], kwargs: Mapping[str, Any], overlap: bool
) -> Entry:  # fmt: skip
    """Return what is stored of a schedule of a job. Raises: InvalidArguments, ConfigError."""
    options = job.chosen
    priority = job.settings.priority if options.priority is None else options.priority
    payload = job.signature.encode(args, kwargs, options.meta)
    return Entry(job.name, payload, times, policy, fields_of(job, args, kwargs), priority, overlap)


class Schedules:
    """The schedules of one app, by name."""

    def __init__(self) -> None:
        self._all: dict[str, Schedule] = {}

    def __iter__(self) -> Iterator[Schedule]:
        return iter(self._all.values())

    def add(self, schedule: Schedule) -> None:
        """Register a schedule. Raises: InvalidOption when its name is taken, or there are too many."""
        known = self._all.get(schedule.name)
        if known is not None and not known.is_same(schedule):
            raise InvalidOption(f"two schedules are named {schedule.name!r}", hint="give one of them schedule=…")
        self._all[schedule.name] = schedule
        if len(self._all) > MOST_SCHEDULES:
            raise InvalidOption(f"more than {MOST_SCHEDULES} schedules")

    def queues(self) -> Iterator[str]:
        """Yield the queues of all schedules."""
        return (schedule.queue for schedule in self)

    def check(self) -> None:
        """Check the arguments of all against the signatures. Raises: InvalidArguments, ConfigError."""
        for schedule in self:
            schedule.entry()

    def entries(self, queues: Collection[str]) -> dict[str, dict[str, str]]:
        """Return queue → name → what is to be published, for those of these queues that have any."""
        found: dict[str, dict[str, str]] = {}
        for schedule in self:
            if schedule.queue in queues:
                found.setdefault(schedule.queue, {})[schedule.name] = schedule.entry()
        return found


def timetable(cron: str | None, every: Duration | None, tz: str | None) -> Timetable:
    """Return when a schedule comes, as `App.periodic` is told. Raises: InvalidOption, ConfigError."""
    if every is None:
        return Timetable(cron or "", 0, tz or "UTC")
    if cron is not None or tz is not None:
        raise InvalidOption("every=… takes neither a cron expression nor a time zone")
    every_ms = duration_ms(every, "every")
    if every_ms < 1:
        raise InvalidOption(f"every {every!r} is no interval")
    return Timetable("", every_ms)


def call_of(args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return the arguments of a schedule's calls. Raises: InvalidOption; a text is none: its letters would be meant."""
    if isinstance(args, str) or not isinstance(args, Sequence):
        raise InvalidOption(f"args {args!r} is no list of arguments")
    if not isinstance(kwargs, Mapping | None):
        raise InvalidOption(f"kwargs {kwargs!r} is no dict of arguments")
    return tuple(args), dict(kwargs or {})
