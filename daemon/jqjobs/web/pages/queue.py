"""One queue: its numbers, its jobs by name, the limits that hold some back, what ended last; pause and resume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jqjobs.jobs.statistics import Ended, added, percentile_ms
from jqjobs.operations.queues import pause_in_words, require_queue, settings_in_words, unserved
from jqjobs.store.reads.deploys import read_deploys
from jqjobs.store.reads.limits import held_limits
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.rates import minute_rates
from jqjobs.store.reads.recent import RecentEnd, recent_ends
from jqjobs.store.reads.statistics import NameStatistics, latest_statistics
from jqjobs.store.whole_queues import count_queue
from jqjobs.web.acting import act_on_queue
from jqjobs.web.http import Response
from jqjobs.web.pages.charts import Chart, rate_chart
from jqjobs.web.pages.limits import limit_rows
from jqjobs.web.pages.links import first, job_url, path_of
from jqjobs.web.visit import Visit

_P95 = 0.95
_MOST_RECENT = 12
_BAD = (Ended.FAILED, Ended.RETRIED, Ended.HUNG, Ended.CRASHED)
#: The states of a queue in the order of a job's life, each with the list that shows it.
STATES = (
    "inbox", "ready", "scheduled", "active", "held", "waiting", "parked", "suspects", "moving", "kept", "dead",
    "rejected",
)  # fmt: skip


class StateCount(NamedTuple):
    """How many jobs are in a state, and the list of them."""

    state: str
    jobs: int
    url: str


class NameRow(NamedTuple):
    """Jobs of one name in the last ten to twenty minutes."""

    name: str
    started: int
    failed: int
    run_p95_ms: int | None
    wait_p95_ms: int | None
    url: str


class EndRow(NamedTuple):
    """An attempt that ended."""

    end: RecentEnd
    url: str


def queue_page(visit: Visit) -> Response:
    """Show one queue."""
    name = visit.params["queue"]
    require_queue(visit.store, name)
    status = visit.run(count_queue(name))
    latest = latest_statistics(visit.store, [name], status.now_ms)
    limits = limit_rows(visit, {name: visit.run(held_limits(name))}) if status.held else []
    registry = visit.snapshot().status.registry
    waits = added(one.waits for one in latest)
    return visit.page(
        "queue.html", queue=status, counts=state_counts(visit, status), names=_names(visit, name, latest),
        chart=_chart(visit, name, status.now_ms), limits=limits,
        recent=[EndRow(end, job_url(visit, name, end.id)) for end in recent_ends(visit.store, [name])[:_MOST_RECENT]],
        wait_p95_ms=percentile_ms(waits, _P95), settings=settings_in_words(status), pause_words=pause_in_words(status),
        unserved="" if registry.serves(name) else unserved(name, registry), now_ms=status.now_ms,
    )  # fmt: skip


def _chart(visit: Visit, name: str, now_ms: int) -> Chart:
    return rate_chart(minute_rates(visit.store, [name], now_ms), read_deploys(visit.store), now_ms)


def state_counts(visit: Visit, status: QueueStatus) -> list[StateCount]:
    """Return what is in which state, each with its list."""
    return [StateCount(state, getattr(status, state), visit.url("/jobs", queue=status.name, state=state))
            for state in STATES]  # fmt: skip


def _names(visit: Visit, queue: str, latest: Iterable[NameStatistics]) -> list[NameRow]:
    by_name: dict[str, list[NameStatistics]] = defaultdict(list)
    for one in latest:
        by_name[one.name].append(one)
    rows = [_name_row(visit, queue, name, found) for name, found in by_name.items()]
    return sorted(rows, key=lambda row: row.name)


def _name_row(visit: Visit, queue: str, name: str, found: Sequence[NameStatistics]) -> NameRow:
    runs, waits = added(one.runs for one in found), added(one.waits for one in found)
    failed = sum(one.ended.get(end, 0) for one in found for end in _BAD)
    url = visit.url("/jobs", queue=queue, state="dead", name=name)
    return NameRow(name, sum(one.started for one in found), failed, percentile_ms(runs, _P95),
                   percentile_ms(waits, _P95), url)  # fmt: skip


def act(visit: Visit) -> Response:
    """Pause a queue, for as long as the form says, or resume it."""
    name, word, form = visit.params["queue"], visit.params["act"], visit.form()
    act_on_queue(visit, word, name, reason=first(form, "reason").strip(), until=first(form, "until").strip())
    said = "is paused: no job of it is taken" if word == "pause" else "is resumed"
    return visit.done(path_of("queues", name), f"{name} {said}")
