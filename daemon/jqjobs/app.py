"""The app: a registry of jobs, and the door through which they are enqueued.

Nothing here runs jobs; workers read the registry. Importing an app connects to nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, ParamSpec, TypeVar, overload

from jqjobs.client import Client, JobHandle
from jqjobs.clock import Duration
from jqjobs.config import Environment
from jqjobs.errors import DuplicateJobName, InvalidArguments, InvalidOption, UnknownJobName
from jqjobs.imports import import_all
from jqjobs.job import (
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_MAX_CRASHES,
    NO_OPTIONS,
    PRIORITIES,
    NewJob,
    Options,
    check_integer,
    check_name,
    new_id,
    positive_ms,
)
from jqjobs.retry import Backoff, backoff_of
from jqjobs.signature import Signature
from jqjobs.sizes import Size, size_bytes

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a job is registered with. ``timeout_ms`` and ``keep_ms`` are None for "no limit" and "not kept"."""

    name: str
    queue: str = "default"
    priority: int = 0
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    max_crashes: int = DEFAULT_MAX_CRASHES
    timeout_ms: int | None = None
    keep_ms: int | None = None
    memory_bytes: int = 0
    backoff: Backoff = field(default_factory=lambda: backoff_of(None))
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.name, *self.aliases):
            check_name(name, "job name")
        check_name(self.queue, "queue")
        check_integer(self.priority, "priority", PRIORITIES)
        check_integer(self.max_attempts, "max_attempts", range(1, 1_000_001))
        check_integer(self.max_crashes, "max_crashes", range(1, 1_000_001))

    def catalog_entry(self, doc: str) -> dict[str, Any]:
        """Return what workers publish about the job, for the scripts and for producers in other languages."""
        entry = {
            "priority": self.priority, "max_attempts": self.max_attempts, "max_crashes": self.max_crashes,
            "timeout_ms": self.timeout_ms, "keep_ms": self.keep_ms, "doc": doc,
            "memory_bytes": self.memory_bytes or None,
        }  # fmt: skip
        return {key: value for key, value in entry.items() if value not in (None, "")}


class Job(Generic[P, R]):
    """A registered function. Calling it runs it here and now; `enqueue` hands it over."""

    def __init__(self, app: App, function: Callable[P, R], settings: Settings, options: Options = NO_OPTIONS) -> None:
        self.app = app
        self.function = function
        self.settings = settings
        self._options = options
        self._due_text, self._fields = options.due_text(), options.fields()
        self.signature = Signature(function)
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Job {self.settings.queue}/{self.name}>"

    @property
    def name(self) -> str:
        """The name under which producers and workers know it."""
        return self.settings.name

    @property
    def queue(self) -> str:
        """The queue it goes to."""
        return self._options.queue or self.settings.queue

    def options(
        self, *, queue: str | None = None, id: str | None = None, key: str | None = None, priority: int | None = None,
        delay: Duration | None = None, due: datetime | None = None, max_attempts: int | None = None,
        max_crashes: int | None = None, timeout: Duration | None = None, expires: Duration | None = None,
        keep: Duration | None = None,
    ) -> Job[P, R]:  # fmt: skip
        """Return the job with other options for the calls made on it.

        ``delay``: a duration; ``due``: a moment (naive means local time); ``key``: coalescing: while a job of that
        key is unfinished, enqueuing returns that one; ``expires``: not started by then, it is dead.
        Raises: InvalidOption, InvalidName.
        """
        given = Options(queue, id, key, priority, delay, due, max_attempts, max_crashes, timeout, expires, keep)
        return Job(self.app, self.function, self.settings, self._options.with_(given))

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """Store a call of this job and return its handle.

        Raises: InvalidArguments (also PayloadTooLarge), StoreUnavailable, StoreFull, StoreError.
        """
        return self.app.client.enqueue(self.queue, [self._new(args, kwargs)])[0]

    async def enqueue_async(self, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """Do what `enqueue` does, from a coroutine."""
        return (await self.app.client.enqueue_async(self.queue, [self._new(args, kwargs)]))[0]

    def enqueue_many(self, arguments: Iterable[Sequence[Any]]) -> list[JobHandle]:
        """Store many calls, in order, a few hundred a round trip.

        ``arguments``: for each call its positional arguments as a tuple, or a pair of those and a dict of
        keyword arguments. All are checked before the first one is sent.
        """
        if self._options.id is not None:
            raise InvalidOption("an id names one job; enqueue_many makes many")
        return self.app.client.enqueue(self.queue, [self._new(*_call(item)) for item in arguments])

    def _new(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NewJob:
        options = self._options
        priority = self.settings.priority if options.priority is None else options.priority
        return NewJob(
            self.name, self.signature.encode(args, kwargs), options.id or new_id(), priority,
            self._due_text, options.key or "", self._fields,
        )  # fmt: skip


class App:
    """The jobs of one application."""

    def __init__(self, imports: Iterable[str] = (), *, redis_url: str | None = None) -> None:
        """``imports``: modules that hold jobs, ``shop.jobs`` or with a wildcard ``shop.*.jobs``; loaded by workers.

        ``redis_url``: instead of JQ_REDIS_URL of the environment or of ``.env``.
        """
        self.imports = tuple(imports)
        self.jobs: dict[str, Job[Any, Any]] = {}
        self.client = Client(lambda: Environment().redis_url(redis_url))

    @overload
    def job(self, function: Callable[P, R]) -> Job[P, R]: ...
    @overload
    def job(
        self, *, name: str | None = None, queue: str = "default", priority: int = 0,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS, max_crashes: int = DEFAULT_MAX_CRASHES,
        timeout: Duration | None = "1h", keep: Duration | None = None, memory: Size = 0,
        backoff: Backoff | Duration | Sequence[Duration] | None = None, aliases: Iterable[str] = (),
    ) -> Callable[[Callable[P, R]], Job[P, R]]: ...  # fmt: skip
    def job(
        self, function: Callable[..., Any] | None = None, *, name: str | None = None,
        timeout: Duration | None = "1h", keep: Duration | None = None, memory: Size = 0,
        backoff: Backoff | Duration | Sequence[Duration] | None = None, aliases: Iterable[str] = (), **plain: Any,
    ) -> Any:  # fmt: skip
        """Register a function as a job. Raises: DuplicateJobName, InvalidName, InvalidOption.

        ``timeout``: time limit of one attempt, None for none. ``keep``: how long result and record of a
        success are kept. ``backoff``: delay after a failure: a duration, a list of them, `Exponential` (default),
        `Fixed`. ``memory``: what one run needs beyond the worker itself, such as ``"300MB"``; it starts only where so
        much is free, and is dead (oversized) where it never will be. ``aliases``: former names that queued jobs may
        still carry.
        """

        def register(target: Callable[..., Any]) -> Job[..., Any]:
            settings = Settings(
                name or target.__name__,
                timeout_ms=None if timeout is None else positive_ms(timeout, "timeout"),
                keep_ms=None if keep is None else positive_ms(keep, "keep"),
                memory_bytes=size_bytes(memory, "memory"), backoff=backoff_of(backoff),
                aliases=_names(aliases), **plain,
            )  # fmt: skip
            return self._register(Job(self, target, settings))

        return register if function is None else register(function)

    def _register(self, job: Job[..., Any]) -> Job[..., Any]:
        for name in (job.name, *job.settings.aliases):
            known = self.jobs.get(name)
            if known is not None and not _is_same_source(known.function, job.function):
                raise DuplicateJobName(
                    f"two functions are registered as {name!r}: {_place(known.function)} and {_place(job.function)}",
                    hint="give one of them name=…",
                )
        self.jobs |= dict.fromkeys((job.name, *job.settings.aliases), job)
        return job

    def load(self) -> App:
        """Import the job modules and check every signature. Raises: ConfigError, and what the modules raise."""
        import_all(self.imports)
        for job in self.jobs.values():
            job.signature.check()
        return self

    def queues(self) -> list[str]:
        """Return the queues of all jobs, in the order of registration."""
        return list(dict.fromkeys(job.settings.queue for job in self.jobs.values()))

    def catalog(self) -> dict[str, dict[str, Any]]:
        """Return job name → what workers publish about it; aliases are names too."""
        return {name: job.settings.catalog_entry(_first_line(job.function)) for name, job in self.jobs.items()}

    def find(self, name: str) -> Job[..., Any]:
        """Return the job of that name or alias. Raises: UnknownJobName."""
        try:
            return self.jobs[name]
        except KeyError:
            raise UnknownJobName(f"the app registers no job {name!r}") from None


def _names(aliases: Iterable[str]) -> tuple[str, ...]:
    if isinstance(aliases, str):
        raise InvalidOption(f"aliases is a list of names, not the text {aliases!r}")
    return tuple(aliases)


def _call(item: Sequence[Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    if not isinstance(item, (tuple, list)):
        raise InvalidArguments(f"enqueue_many takes tuples of arguments, not {item!r}", hint="write (value,) for one")
    if len(item) == 2 and isinstance(item[0], (tuple, list)) and isinstance(item[1], Mapping):
        return item[0], item[1]
    return item, {}


def _is_same_source(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two function objects come from one definition, as when a module is both __main__ and imported.

    Functions that one factory makes share a place too, but are as many jobs.
    """
    if one is other:
        return True
    return hasattr(one, "__code__") and "<locals>" not in one.__qualname__ and _place(one) == _place(other)


def _place(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    module = sys.modules.get(function.__module__)
    file = code.co_filename if code else getattr(module, "__file__", "?")
    return f"{file}:{code.co_firstlineno if code else '?'}"


def _first_line(function: Callable[..., Any]) -> str:
    return next(iter((function.__doc__ or "").strip().splitlines()), "")[:200]
