"""The first page: what is wrong, in words, then how fast it goes, then all queues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.store.reads.deploys import read_deploys
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.rates import minute_rates
from jqjobs.store.reads.registry import Registry
from jqjobs.web.http import Response
from jqjobs.web.pages.charts import rate_chart
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.pages.troubles import Trouble, read_troubles
from jqjobs.web.visit import Visit

#: So many queues are in the table, and so many troubles above it; of these the first ones are seen at once.
_MOST_QUEUES, _MOST_TROUBLES, _SEEN_TROUBLES = 100, 40, 6
#: The chart adds up so many queues, those that ended most; more of them are in the table.
_MOST_CHARTED = 20


class QueueRow(NamedTuple):
    """A queue in the table. ``waiting``: what could run now. ``busy`` of ``workers``: that have a job of it."""

    status: QueueStatus
    url: str
    waiting: int
    busy: int
    is_served: bool


class DeathRow(NamedTuple):
    """One of the jobs that died last."""

    url: str
    name: str
    queue: str
    why: str
    at_ms: int | None


def overview(visit: Visit) -> Response:
    """Show what is wrong, and all queues."""
    report = visit.snapshot()
    status = report.status
    troubles = read_troubles(visit)
    busiest = sorted(status.queues, key=lambda queue: -(queue.done + queue.failed))
    rates = minute_rates(visit.store, [queue.name for queue in busiest[:_MOST_CHARTED]], report.now_ms)
    chart = rate_chart(rates, read_deploys(visit.store), report.now_ms)
    shown = _shown(busiest, troubles)
    return visit.page(
        "overview.html", troubles=troubles[:_MOST_TROUBLES], most_troubles=_SEEN_TROUBLES,
        troubles_left_out=max(0, len(troubles) - _MOST_TROUBLES), chart=chart, head=report.head,
        done_per_minute=sum(queue.done_per_minute for queue in status.queues),
        failed_per_minute=sum(queue.failed_per_minute for queue in status.queues),
        is_partial=len(busiest) > _MOST_CHARTED, memory=status.memory, now_ms=report.now_ms,
        queues=_rows(visit, shown, status.registry), left_out=len(busiest) - len(shown), broken=status.broken,
        daemons=len(status.registry.daemons), workers=sum(len(daemon.workers) for daemon in status.registry.daemons),
        busy=len({job.worker for job in report.running}), deaths=_deaths(visit),
    )  # fmt: skip


def _shown(busiest: Sequence[QueueStatus], troubles: Sequence[Trouble]) -> list[QueueStatus]:
    """Return the queues of the table by name: all, or where they are many those in trouble, then the busiest ever.

    What they do just now does not decide, so that none comes and goes from look to look.
    """
    worst = {trouble.queue for trouble in troubles[:_MOST_TROUBLES]}
    by_need = sorted(busiest, key=lambda queue: queue.name not in worst)
    return sorted(by_need[:_MOST_QUEUES], key=lambda queue: queue.name)


def _rows(visit: Visit, queues: Sequence[QueueStatus], registry: Registry) -> list[QueueRow]:
    busy: dict[str, set[str]] = defaultdict(set)
    for daemon in registry.daemons:
        for worker in daemon.workers:
            for job in worker.jobs:
                busy[job.queue].add(worker.id)
    return [
        QueueRow(
            queue, visit.url(path_of("queues", queue.name)), queue.inbox + queue.ready + queue.suspects,
            len(busy[queue.name]), registry.serves(queue.name),
        )
        for queue in queues
    ]  # fmt: skip


def _deaths(visit: Visit) -> list[DeathRow]:
    return [
        DeathRow(job_url(visit, row.queue, row.id), row.name or "?", row.queue, why(row.reason, row.error), row.at_ms)
        for row in visit.snapshot().dead
    ]


def why(reason: str | None, error: str | None) -> str:
    """Return what a job died of, or failed of last; "" for nothing."""
    return (error or reason or "") if reason in (None, "failed") else ": ".join(filter(None, (reason, error)))
