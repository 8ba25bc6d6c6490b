"""jqjobs: a job queue on Redis with a worker daemon that can be left alone.

The public names are loaded on first use, so that `jqctl` and the daemon do not pay for the app's imports.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jqjobs.version import __version__

if TYPE_CHECKING:
    from jqjobs.app import App
    from jqjobs.client import JobHandle
    from jqjobs.context import JobContext, current_job, wait_async
    from jqjobs.definition import Job
    from jqjobs.errors import (
        Conflict,
        Discard,
        JobCancelled,
        JobFailed,
        JobInterrupted,
        JobTimeout,
        JqError,
        NotFound,
        ResultMissing,
        ResultTimeout,
        Retry,
    )
    from jqjobs.limits import Concurrency, RateLimit
    from jqjobs.retry import Delays, Exponential, Fixed

_HOMES = {
    "App": "app", "Job": "definition", "JobHandle": "client", "JobContext": "context", "current_job": "context",
    "Discard": "errors", "JobInterrupted": "errors", "JobTimeout": "errors", "JqError": "errors", "Retry": "errors",
    "Delays": "retry", "Exponential": "retry", "Fixed": "retry",
    "Concurrency": "limits", "RateLimit": "limits",
    "wait_async": "context", "JobCancelled": "errors", "NotFound": "errors", "Conflict": "errors",
    "JobFailed": "errors", "ResultMissing": "errors", "ResultTimeout": "errors",
}  # fmt: skip

__all__ = [  # noqa: RUF022 - grouped as in the README
    "App", "Job", "JobHandle", "current_job", "JobContext", "wait_async",
    "Retry", "Discard", "JobTimeout", "JobInterrupted", "JobCancelled", "JqError", "NotFound", "Conflict",
    "JobFailed", "ResultMissing", "ResultTimeout",
    "Exponential", "Fixed", "Delays", "RateLimit", "Concurrency", "__version__",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'jqjobs' has no attribute {name!r}")
    return getattr(import_module(f"jqjobs.{home}"), name)
