"""A schedule that a person adds, of a job that is known by its name only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from jqjobs.base.clock import Duration, duration_ms
from jqjobs.errors import Conflict, InvalidOption
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import PRIORITIES, check_name
from jqjobs.operations.offers import check_arguments, destination, warning_of
from jqjobs.store.calls.added import REFUSALS, AddAnswer, add_schedule
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.reads.catalog import Offer
from jqjobs.store.reply_values import integer
from jqjobs.store.store import Store

if TYPE_CHECKING:
    from jqjobs.jobs.timetable import Policy, Timetable


@dataclass(frozen=True, slots=True)
class Spoken:
    """When a schedule comes, as a person writes it; ``mark``: what stands before the names of options in errors."""

    cron: str = ""
    every: Duration = ""
    tz: str = ""
    until: str = ""
    missed: str = "latest"
    catch_up: Duration = "1h"
    mark: str = ""

    def times(self) -> Timetable:
        """Return when it comes. Raises: InvalidOption, ConfigError without a time zone database."""
        from jqjobs.jobs.timetable import Timetable

        mark = self.mark
        if self.every == "" and not self.cron:
            raise InvalidOption("it is not said when it comes", hint=f"give {mark}cron '0 8 * * *', or {mark}every 15m")
        if self.every != "" and (self.cron or self.tz):
            raise InvalidOption(f"{mark}every takes neither {mark}cron nor {mark}tz", hint="give one of the two")
        every_ms = 0 if self.every == "" else duration_ms(self.every, f"{mark}every")
        return Timetable(self.cron, every_ms, self.tz or "UTC")

    def policy(self) -> Policy:
        """Return what becomes of missed ticks. Raises: InvalidOption."""
        from jqjobs.jobs.timetable import Policy

        return Policy(self.missed, duration_ms(self.catch_up, f"{self.mark}catch-up"))

    def end_ms(self) -> int | None:
        """Return its end, ms since the epoch. Raises: InvalidOption, ConfigError."""
        from jqjobs.jobs.moments import end_ms

        return end_ms(self.until, f"{self.mark}until", time.time_ns() // 1_000_000) if self.until else None


class WantedSchedule(NamedTuple):
    """What somebody wants to come. ``queue`` None: where the job is registered."""

    name: str
    job: str
    payload: bytes
    times: Timetable
    policy: Policy
    options: Options
    queue: str | None = None
    overlap: bool = True
    until_ms: int | None = None


def add(
    store: Store, asked: WantedSchedule, shown: Callable[[Offer], Offer] = lambda offer: offer, *, replace: bool,
    unchecked: bool,
) -> dict[str, Any]:  # fmt: skip
    """Add a schedule, or change one; return what is told of that as JSON. ``shown``: what who asks may see of an offer.

    Raises: InvalidName, InvalidArguments, NotFound; Conflict when another one has that name.
    """
    from jqjobs.jobs.schedule_entry import Entry

    check_name(asked.job, "job name")
    if asked.queue is not None:
        check_name(asked.queue, "queue")
    queue, offer = destination(store, asked.queue, asked.job)
    if offer and not unchecked:
        check_arguments(offer, asked.payload, shown(offer))
    entry = Entry(
        asked.job, asked.payload, asked.times, asked.policy, asked.options.fields(), _priority(asked.options, offer),
        asked.overlap,
    )  # fmt: skip
    store.run(add_queues([queue]))
    answer = store.run(add_schedule(queue, asked.name, entry.added_as(asked.name, asked.until_ms), replace=replace))
    if (why := REFUSALS.get(answer)) is not None:
        raise Conflict(f"schedule {queue}/{asked.name} is not added: {why[0]}", hint=why[1])
    warning = warning_of(store, queue, asked.job, is_offered=offer is not None)
    return {
        "schedule": asked.name, "queue": queue, "added": answer is AddAnswer.ADDED,
        "changed": answer is AddAnswer.CHANGED, "warning": warning,
    }  # fmt: skip


def _priority(options: Options, offer: Offer | None) -> int:
    """Return what was asked for, else what workers have published of the job."""
    published = integer(offer.entry.get("priority")) if offer else None
    usual = published if published in PRIORITIES else 0
    return (usual or 0) if options.priority is None else options.priority
