"""Celery on Redis: no results, no rate limits, no events; acknowledged before the run, as by default."""
# mypy: disable-error-code="import-not-found,untyped-decorator,misc,no-any-unimported"

from __future__ import annotations

import os
import time

from celery import Celery

import ledger

cells = ledger.attach()
_url = os.environ["JQ_REDIS_URL"]
app = Celery("peers.celery", broker=_url.replace("unix://", "redis+socket://"))
app.conf.update(
    task_ignore_result=True, task_default_queue="bench", worker_disable_rate_limits=True,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "4")), broker_connection_retry_on_startup=True,
)  # fmt: skip


@app.task(name="noop")
def noop(index: int) -> None:
    """Say when it ran."""
    cells[index] = time.monotonic_ns()


@app.task(name="nap")
def nap(index: int) -> None:
    """Wait 10 or 30 ms."""
    time.sleep(ledger.NAP_S)
    cells[index] = time.monotonic_ns()


def one(job: str, index: int) -> None:
    """Enqueue one job."""
    app.tasks[job].apply_async((index,))
