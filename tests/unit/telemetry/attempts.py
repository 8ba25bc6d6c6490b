"""Attempts without a worker: a runner for an app, and jobs as a worker takes them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from jqjobs import App
from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.event_loop import LoopThread
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.attempts.thread_interrupt import ThreadInterrupter

#: The clock of Redis, less that of this host.
OFFSET_MS = 10**12


def runner_of(app: App) -> Runner:
    """What runs the attempts of an app on threads and as tasks."""
    runner = Runner(app, "w:1:x", ThreadInterrupter(lambda: False, LoopThread()), random.Random(1))
    runner.classifier.clock_offset_ms = OFFSET_MS
    return runner


def taken(
    name: str = "job", job_id: str = "id-1", meta: Mapping[str, Any] | None = None, *, attempt: int = 1,
    failures: int = 0, waited_s: int = 0, args: tuple[Any, ...] = (),
) -> TakenJob:  # fmt: skip
    """A job that a worker has begun, after it has waited for so long; 0: nobody knows."""
    payload = json.dumps({"args": args, "meta": meta or {}}).encode()
    ready_ms = monotonic_ms() + OFFSET_MS - waited_s * 1000 if waited_s else 0
    return TakenJob("q", job_id, attempt, name, payload, ready_ms, failures, started_ms=monotonic_ms())
