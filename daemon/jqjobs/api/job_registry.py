"""What an application registers: its jobs by name, their schedules, hooks and middlewares.

Filled through the decorators of `App`; workers load it and read it. Knows nothing of enqueueing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import WeakSet

from jqjobs.api.function import Job
from jqjobs.api.periodic import Schedules
from jqjobs.base.imports import import_all
from jqjobs.errors import DuplicateJobName, UnknownJobName
from jqjobs.jobs.app_hooks import AppHooks
from jqjobs.jobs.hooks import Hook, Hooks, Middleware, check_order
from jqjobs.jobs.observers import Observer
from jqjobs.jobs.registration import first_line, is_same_source, place_of

#: Who watches all apps of this process, and the registries of those.
_OF_ALL: list[Observer] = []
_REGISTRIES: WeakSet[Registry] = WeakSet()


def observe_all(observer: Observer) -> None:
    """Have somebody watch every app of this process, those that are made later too."""
    _OF_ALL.append(observer)
    for registry in list(_REGISTRIES):
        registry.observe(observer)


class Registry:
    """The jobs of one application, and what is around them. ``jobs``: by name and by alias.

    ``async_middlewares``: those around coroutine functions.
    """

    def __init__(self, imports: Iterable[str] | Callable[[], Iterable[str]] = ()) -> None:
        """``imports``: modules that hold jobs, see `App`."""
        self.imports = imports if callable(imports) else tuple(imports)
        self.jobs: dict[str, Job[Any, Any]] = {}
        self.schedules = Schedules()
        self.hooks = Hooks()
        self.app_hooks = AppHooks()
        self.middlewares: list[Middleware] = []
        self.async_middlewares: list[Middleware] = []
        #: The `jqjobs.outbox.Outbox` of the app, if it has one.
        self.outbox: Any = None
        self.observers: list[Observer] = []
        _REGISTRIES.add(self)
        for observer in _OF_ALL:
            self.observe(observer)

    def observe(self, observer: Observer) -> None:
        """Have somebody watch what this app sends and runs."""
        self.observers.append(observer)
        self.hooks.used = True
        self.app_hooks.on_enqueue.append(observer.label)
        self.app_hooks.on_worker_stop.insert(0, observer.flush)  # the last to be called: others may have news for it

    def add(self, job: Job[..., Any]) -> Job[..., Any]:
        """Register a job under its name and its aliases, and return it. Raises: DuplicateJobName."""
        names = (job.name, *job.settings.aliases)
        for name in names:
            known = self.jobs.get(name)
            if known is not None and not is_same_source(known.function, job.function):
                places = f"{place_of(known.function)} and {place_of(job.function)}"
                raise DuplicateJobName(
                    f"two functions are registered as {name!r}: {places}", hint="give one of them name=…"
                )
        self.jobs |= dict.fromkeys(names, job)
        return job

    def load(self) -> None:
        """Import the job modules and check every signature. Raises: ConfigError, and what the modules raise."""
        import_all(self.imports() if callable(self.imports) else self.imports)
        for job in self.jobs.values():
            job.signature.check()
            if job.is_async:
                check_order(self.async_middlewares)
        self.schedules.check()

    def find(self, name: str) -> Job[..., Any]:
        """Return the job of that name or alias. Raises: UnknownJobName."""
        try:
            return self.jobs[name]
        except KeyError:
            raise UnknownJobName(f"the app registers no job {name!r}") from None

    def hooks_of(self, job: Job[..., Any], event: str) -> Iterator[Hook]:
        """Return what is to be called when something becomes of a job: its own hooks, then those of the app."""
        yield from job.hooks.of(event)
        yield from self.hooks.of(event)

    def queues(self) -> list[str]:
        """Return the queues of all jobs and schedules, in the order of registration."""
        return list(dict.fromkeys([*(job.settings.queue for job in self.jobs.values()), *self.schedules.queues()]))

    def catalog(self) -> dict[str, dict[str, Any]]:
        """Return job name → what workers publish about it; aliases are names too."""
        return {name: self._published(job) for name, job in self.jobs.items()}

    def parameters(self, queue: str) -> dict[str, dict[str, Any] | bool]:
        """Return job name → JSON Schema of its parameters, of the jobs that are registered for a queue."""
        return {name: job.signature.schema() for name, job in self.jobs.items() if job.settings.queue == queue}

    def _published(self, job: Job[..., Any]) -> dict[str, Any]:
        entry = job.settings.catalog_entry(first_line(job.function)) | {"signature": job.signature.digest}
        has_hooks = any(True for event in ("on_failure", "cleanup") for _ in self.hooks_of(job, event))
        return entry | {"hooks": True} if has_hooks else entry
