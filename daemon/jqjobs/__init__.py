"""jqjobs: a job queue on Redis with a worker daemon that can be left alone.

The public names are loaded on first use, so that `jqctl` and the daemon do not pay for the app's imports.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jqjobs.version import __version__

if TYPE_CHECKING:
    from jqjobs.api.app import App
    from jqjobs.api.batches import Batch
    from jqjobs.api.chains import Chain, ChainHandle
    from jqjobs.api.function import Job
    from jqjobs.api.handle import JobHandle
    from jqjobs.api.queue import Queue
    from jqjobs.errors import (
        ConfigError,
        Conflict,
        Discard,
        DrainedTooLong,
        DuplicateJobName,
        InvalidArguments,
        InvalidName,
        InvalidOption,
        JobCancelled,
        JobFailed,
        JobInterrupted,
        JobTimeout,
        JqError,
        NeedsRedis,
        NotFound,
        NotReplicated,
        OutboxMissing,
        PayloadTooLarge,
        Repartitioned,
        ResultMissing,
        ResultNotRun,
        ResultTimeout,
        Retry,
        StoreBusy,
        StoreError,
        StoreFull,
        StoreRefused,
        StoreUnavailable,
        UnknownJobName,
    )
    from jqjobs.jobs.app_hooks import NewCall
    from jqjobs.jobs.backoff import Delays, Exponential, Fixed
    from jqjobs.jobs.context import JobContext, current_job, wait_async
    from jqjobs.jobs.flow import BatchState, BatchStatus
    from jqjobs.jobs.limits import Concurrency, RateLimit
    from jqjobs.jobs.previous import Previous
    from jqjobs.jobs.records import State
    from jqjobs.jobs.snooze import Snooze
    from jqjobs.store.calls.cancels import CancelAnswer
    from jqjobs.store.reads.jobs import JobInfo

#: Module → the public names that it has.
_PUBLIC = {
    "api.app": "App", "api.batches": "Batch", "api.chains": "Chain ChainHandle", "jobs.previous": "Previous",
    "jobs.flow": "BatchState BatchStatus", "api.function": "Job", "api.handle": "JobHandle", "api.queue": "Queue",
    "jobs.records": "State", "store.reads.jobs": "JobInfo", "store.calls.cancels": "CancelAnswer",
    "jobs.app_hooks": "NewCall", "jobs.context": "JobContext current_job wait_async",
    "jobs.backoff": "Exponential Fixed Delays", "jobs.limits": "RateLimit Concurrency",
    "jobs.snooze": "Snooze",
    "errors": "Retry Discard JobTimeout JobInterrupted JobCancelled "
              "JqError ConfigError InvalidName InvalidOption InvalidArguments PayloadTooLarge DuplicateJobName "
              "UnknownJobName NotFound Conflict JobFailed ResultMissing ResultNotRun ResultTimeout NeedsRedis "
              "DrainedTooLong OutboxMissing StoreError StoreUnavailable StoreBusy StoreFull StoreRefused NotReplicated "
              "Repartitioned",
}  # fmt: skip
_HOMES = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = [  # noqa: RUF022 - grouped by what they are for
    "App", "Job", "JobHandle", "JobInfo", "Queue", "State", "CancelAnswer",
    "Batch", "BatchState", "BatchStatus", "Chain", "ChainHandle", "Previous",
    "NewCall", "current_job", "JobContext", "wait_async",
    "Exponential", "Fixed", "Delays", "RateLimit", "Concurrency",
    "Retry", "Snooze", "Discard", "JobTimeout", "JobInterrupted", "JobCancelled",
    "JqError", "ConfigError", "InvalidName", "InvalidOption", "InvalidArguments", "PayloadTooLarge",
    "DuplicateJobName", "UnknownJobName", "NotFound", "Conflict", "JobFailed", "ResultMissing", "ResultNotRun",
    "ResultTimeout", "NeedsRedis", "DrainedTooLong", "OutboxMissing",
    "StoreError", "StoreUnavailable", "StoreBusy", "StoreFull", "StoreRefused", "NotReplicated", "Repartitioned",
    "__version__",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'jqjobs' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"jqjobs.{home}"), name)
    return found
