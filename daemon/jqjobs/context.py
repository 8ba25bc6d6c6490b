"""What a running job can know about itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


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


_current: ContextVar[JobContext | None] = ContextVar("jqjobs_current_job", default=None)


def current_job() -> JobContext | None:
    """Return the job that is running here, None outside of one (a plain call of the function)."""
    return _current.get()


def set_current_job(job: JobContext | None) -> None:
    """Set what `current_job` returns; called by the worker around each job."""
    _current.set(job)
