"""What goes on just now: rates, running jobs longest first, latest deaths; read from the store, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jqjobs.jobs.statistics import added, percentile_ms
from jqjobs.operations.status import StatusReport, queues_json
from jqjobs.store.reads.diagnosis import died_since, last_deaths
from jqjobs.store.reads.memory import used_memory
from jqjobs.store.reads.search import JobRow, latest
from jqjobs.store.reads.statistics import latest_statistics, queue_statistics
from jqjobs.store.store import Store

_P95 = 0.95
_SECONDS_A_MINUTE = 60
#: How long jobs wait is read of so many queues, those in which most is done.
_MOST_COUNTED = 100


class Head(NamedTuple):
    """All queues in four numbers. ``wait_p95_ms``, ``memory_bytes``: None when they are not known.

    ``wait_p95_ms``: of the hundred queues in which most is done.
    """

    jobs_per_s: float
    failures_per_s: float
    wait_p95_ms: int | None
    memory_bytes: int | None


class Running(NamedTuple):
    """A job that runs. ``p95_ms``: so long 95 % of the jobs of its name took at most; None: none has ended yet."""

    id: str
    queue: str
    name: str
    worker: str
    elapsed_ms: int
    p95_ms: int | None

    @property
    def ref(self) -> str:
        """What other commands take."""
        return f"{self.queue}/{self.id}"


class TopReport(NamedTuple):
    """All that `top` shows. ``dead``: the latest first."""

    status: StatusReport
    head: Head
    running: Sequence[Running]
    dead: Sequence[JobRow]

    @property
    def now_ms(self) -> int:
        """When this was."""
        return self.status.registry.now_ms


def read_top(store: Store, status: StatusReport, most: int, before: TopReport | None) -> TopReport:
    """Read what belongs to a status that was just read: ``most`` deaths; ``before``: an earlier look, for rates."""
    busiest = sorted(status.queues, key=lambda queue: (-queue.done_per_minute, -queue.done))[:_MOST_COUNTED]
    latest = latest_statistics(store, [queue.name for queue in busiest], status.registry.now_ms)
    waits = added(found.waits for found in latest)
    used_bytes = used_memory(store)
    head = Head(*_rates(status, before), percentile_ms(waits, _P95), used_bytes)
    return TopReport(status, head, _running(store, status), _dead(store, status, most))


def _rates(status: StatusReport, before: TopReport | None) -> tuple[float, float]:
    """Return successes and failures a second: since ``before``, or of the last minute."""
    queues = status.queues
    if before is None or (seconds := (status.registry.now_ms - before.now_ms) / 1000) <= 0:
        done, failed = (sum(each.done_per_minute for each in queues), sum(each.failed_per_minute for each in queues))
        return round(done / _SECONDS_A_MINUTE, 2), round(failed / _SECONDS_A_MINUTE, 2)
    then = {queue.name: queue for queue in before.status.queues}
    pairs = [(queue, then[queue.name]) for queue in queues if queue.name in then]
    done, failed = sum(now.done - old.done for now, old in pairs), sum(now.failed - old.failed for now, old in pairs)
    return round(max(0, done) / seconds, 2), round(max(0, failed) / seconds, 2)


def _running(store: Store, status: StatusReport) -> list[Running]:
    shown = {queue.name for queue in status.queues}
    jobs = [
        (worker.id, job) for daemon in status.registry.daemons for worker in daemon.workers for job in worker.jobs
        if job.queue in shown
    ]  # fmt: skip
    known = queue_statistics(store, sorted({job.queue for _, job in jobs}))
    p95_ms = {(found.queue, found.name): percentile_ms(found.runs, _P95) for found in known}
    running = [
        Running(job.id, job.queue, job.name, worker, int(job.running_s * 1000), p95_ms.get((job.queue, job.name)))
        for worker, job in jobs
    ]
    return sorted(running, key=lambda job: -job.elapsed_ms)


def _dead(store: Store, status: StatusReport, most: int) -> list[JobRow]:
    with_dead = [queue for queue in status.queues if queue.dead]
    last = dict(zip(with_dead, last_deaths(store, [queue.name for queue in with_dead]), strict=True))
    newest = sorted(with_dead, key=lambda queue: -last[queue])[:most]
    by_now = died_since(store, dict.fromkeys((queue.name for queue in newest), 0))
    pages = store.run_all([latest(queue.name, "dead", dead, most) for queue, dead in zip(newest, by_now, strict=True)])
    rows = [row for page in pages for row in page.rows]
    return sorted(rows, key=lambda row: -(row.at_ms or 0))[:most]


def top_json(report: TopReport) -> dict[str, Any]:
    """Return the answer of ``top --json``."""
    return {
        "head": report.head._asdict(),
        "queues": queues_json(report.status),
        "running": [job._asdict() for job in report.running],
        "dead": [
            {"id": row.id, "queue": row.queue, "name": row.name, "error": row.error or row.reason, "died_ms": row.at_ms}
            for row in report.dead
        ],
    }
