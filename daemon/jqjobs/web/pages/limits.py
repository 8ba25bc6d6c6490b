"""Limits that hold jobs back: how many, who has the places, whether anything will open them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jqjobs.store.reads.limits import HeldLimit, Place, held_limits, limit_places
from jqjobs.web.http import Response
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.visit import Visit


class PlaceRow(NamedTuple):
    """A job that has a place of a limit."""

    place: Place
    url: str


class LimitRow(NamedTuple):
    """A limit. ``places``: of one that bounds how many run at once; of a rate there are none."""

    queue: str
    limit: HeldLimit
    places: Sequence[PlaceRow]
    queue_url: str
    held_url: str


def limits(visit: Visit) -> Response:
    """Show the limits of all queues that hold jobs back now."""
    report = visit.snapshot()
    queues = [queue.name for queue in report.status.queues if queue.held]
    answers = visit.store.run_all([held_limits(queue) for queue in queues])
    found = limit_rows(visit, dict(zip(queues, answers, strict=True)))
    return visit.page("limits.html", limits=found, now_ms=report.now_ms)


def limit_rows(visit: Visit, by_queue: Mapping[str, Sequence[HeldLimit]]) -> list[LimitRow]:
    """Return the limits of queues with who has their places, which takes one more round trip."""
    pairs = [(queue, limit) for queue, found in by_queue.items() for limit in found]
    places = limit_places(visit.store, [(queue, limit.name) for queue, limit in pairs])
    return [
        LimitRow(
            queue, limit, [PlaceRow(place, job_url(visit, queue, place.id)) for place in taken],
            visit.url(path_of("queues", queue)), visit.url("/jobs", queue=queue, state="held"),
        )
        for (queue, limit), taken in zip(pairs, places, strict=True)
    ]  # fmt: skip
