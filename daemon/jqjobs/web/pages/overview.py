"""The first page: what is wrong, in words, then how fast it goes, then all queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.store.reads.deploys import read_deploys
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.rates import minute_rates
from jqjobs.store.reads.registry import Registry
from jqjobs.web.http import Response
from jqjobs.web.pages.charts import rate_chart
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.pages.troubles import read_troubles
from jqjobs.web.visit import Visit

#: The chart adds up so many queues, those that ended most; more of them are in the table.
_MOST_CHARTED = 20
_MOST_DEAD = 5


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
    charted = sorted(status.queues, key=lambda queue: -(queue.done_per_minute + queue.done + queue.failed))
    rates = minute_rates(visit.store, [queue.name for queue in charted[:_MOST_CHARTED]], report.now_ms)
    chart = rate_chart(rates, read_deploys(visit.store), report.now_ms)
    return visit.page(
        "overview.html", troubles=read_troubles(visit), chart=chart, head=report.head,
        is_partial=len(charted) > _MOST_CHARTED, memory=status.memory, now_ms=report.now_ms,
        queues=_rows(visit, status.queues, status.registry), broken=status.broken,
        daemons=len(status.registry.daemons), workers=sum(len(daemon.workers) for daemon in status.registry.daemons),
        busy=len({job.worker for job in report.running}), deaths=_deaths(visit),
    )  # fmt: skip


def _rows(visit: Visit, queues: Sequence[QueueStatus], registry: Registry) -> list[QueueRow]:
    busy = [(job.queue, worker.id) for daemon in registry.daemons for worker in daemon.workers for job in worker.jobs]
    return [
        QueueRow(
            queue, visit.url(path_of("queues", queue.name)), queue.inbox + queue.ready + queue.suspects,
            len({worker for name, worker in busy if name == queue.name}), registry.serves(queue.name),
        )
        for queue in queues
    ]  # fmt: skip


def _deaths(visit: Visit) -> list[DeathRow]:
    return [
        DeathRow(job_url(visit, row.queue, row.id), row.name or "?", row.queue, why(row.reason, row.error), row.at_ms)
        for row in visit.snapshot().dead[:_MOST_DEAD]
    ]


def why(reason: str | None, error: str | None) -> str:
    """Return what a job died of, or failed of last; "" for nothing."""
    return (error or reason or "") if reason in (None, "failed") else ": ".join(filter(None, (reason, error)))
