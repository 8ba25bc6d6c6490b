"""What a running job can know about itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from jqjobs.job import TakenJob


@dataclass(frozen=True, slots=True)
class JobContext:
    """The job that runs here. ``attempt`` counts takes, ``failures`` those that raised or hung before."""

    id: str
    queue: str
    name: str
    attempt: int
    failures: int
    worker: str
    meta: Mapping[str, Any] = field(default_factory=dict)


#: What a worker knows of the running job: the job, its ``meta``, the worker's id.
Running = tuple[TakenJob, Mapping[str, Any], str]

_running: ContextVar[Running | None] = ContextVar("jqjobs_running", default=None)


def current_job() -> JobContext | None:
    """Return the job that is running here, None outside of one (a plain call of the function)."""
    running = _running.get()
    if running is None:
        return None
    job, meta, worker = running
    return JobContext(job.id, job.queue, job.name, job.attempt, job.failures, worker, meta)


def set_running(running: Running | None) -> None:
    """Set what `current_job` speaks of; called by the worker around each job."""
    _running.set(running)


def tag_of_running_job() -> dict[str, str]:
    """Return which job runs here, as fields of a log line; none outside of one."""
    running = _running.get()
    return {} if running is None else {"job": f"{running[0].queue}/{running[0].id}", "name": running[0].name}
