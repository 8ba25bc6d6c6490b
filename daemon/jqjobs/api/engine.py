"""Where an app's calls go: to Redis, or with JQ_ENGINE to something in its place. A `Client` is the engine for Redis.

The others run or record jobs in this process; they are in `jqjobs.testing`, which stands above and is found by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from jqjobs.base.clock import Duration
from jqjobs.errors import ConfigError
from jqjobs.jobs.records import NewJob
from jqjobs.store.call import Call
from jqjobs.store.reads.jobs import JobInfo

if TYPE_CHECKING:
    from jqjobs.api.app import App
    from jqjobs.api.client import JobHandle

T = TypeVar("T")

#: Value of JQ_ENGINE → module and function that makes that engine for an app.
_ELSEWHERE = {"sync": ("jqjobs.inprocess.engines", "SyncEngine"), "null": ("jqjobs.inprocess.engines", "NullEngine")}


class Engine(Protocol):
    """What apps, registered functions and job handles need; see `jqjobs.api.client.Client` for what each does."""

    def enqueue(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]: ...

    async def enqueue_async(self, queue: str, jobs: Sequence[NewJob]) -> list[JobHandle]: ...

    def find(self, queue: str, job_id: str) -> JobInfo | None: ...

    def run(self, call: Call[T]) -> T: ...

    def wait(self, queue: str, job_id: str, timeout: Duration | None) -> Any: ...

    async def wait_async(self, queue: str, job_id: str, timeout: Duration | None) -> Any: ...


def make_engine(name: str | None, app: App) -> Engine:
    """Return the engine that JQ_ENGINE names, None or "redis" for Redis. Raises: ConfigError."""
    if name in (None, "redis"):
        return app.client
    if name not in _ELSEWHERE:
        raise ConfigError(f"JQ_ENGINE {name!r} is none of redis, {', '.join(_ELSEWHERE)}")
    module, factory = _ELSEWHERE[name]
    engine: Engine = getattr(import_module(module), factory)(app)
    return engine
