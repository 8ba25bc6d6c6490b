"""A schedule that a person adds, of a job that is known by its name only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from jqjobs.errors import Conflict
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import PRIORITIES, check_name
from jqjobs.operations.enqueueing import destination
from jqjobs.operations.offers import check_arguments, warning_of
from jqjobs.store.calls.added import REFUSALS, AddAnswer, add_schedule
from jqjobs.store.calls.upkeep import add_queues
from jqjobs.store.reply_values import integer
from jqjobs.store.store import Store

if TYPE_CHECKING:
    from jqjobs.jobs.timetable import Policy, Timetable


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


def add(store: Store, asked: WantedSchedule, *, replace: bool, unchecked: bool) -> dict[str, Any]:
    """Add a schedule, or change one; return what is told of that as JSON.

    Raises: InvalidName, InvalidArguments, NotFound; Conflict when another one has that name.
    """
    from jqjobs.jobs.schedule_entry import Entry

    check_name(asked.job, "job name")
    queue, offer = destination(store, asked.queue, asked.job)
    if offer and not unchecked:
        check_arguments(offer, asked.payload, offer)
    published = integer(offer.entry.get("priority")) if offer else None
    priority = asked.options.priority
    if priority is None:
        priority = published if published in PRIORITIES else 0
    entry = Entry(
        asked.job, asked.payload, asked.times, asked.policy, asked.options.fields(), priority or 0, asked.overlap
    )
    store.run(add_queues([queue]))
    answer = store.run(add_schedule(queue, asked.name, entry.added_as(asked.name, asked.until_ms), replace=replace))
    if (why := REFUSALS.get(answer)) is not None:
        raise Conflict(f"schedule {queue}/{asked.name} is not added: {why[0]}", hint=why[1])
    warning = warning_of(store, queue, asked.job, is_offered=offer is not None)
    return {
        "schedule": asked.name, "queue": queue, "added": answer is AddAnswer.ADDED,
        "changed": answer is AddAnswer.CHANGED, "warning": warning,
    }  # fmt: skip
