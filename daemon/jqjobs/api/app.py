"""The app: the decorators that register jobs. What it reaches of those that are stored is inherited from `doors`.

What is registered is in its `Registry`, which workers read. Nothing here runs jobs; importing an app connects to
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, ParamSpec, TypeVar, overload

from jqjobs.api.added_schedules import AddedSchedules
from jqjobs.api.client import Client
from jqjobs.api.doors import Doors
from jqjobs.api.engine import Engine
from jqjobs.api.engine_choice import choose_engine
from jqjobs.api.function import Job
from jqjobs.api.job_registry import Registry
from jqjobs.api.periodic import Schedule, call_of, timetable
from jqjobs.base.clock import Duration, duration_ms
from jqjobs.base.config import Environment
from jqjobs.base.later import AsgiApp, Later, WsgiApp
from jqjobs.base.prefix import check_prefix
from jqjobs.base.sizes import Size
from jqjobs.errors import InvalidOption
from jqjobs.jobs.app_hooks import CallPoint, WorkerPoint
from jqjobs.jobs.backoff import Backoff
from jqjobs.jobs.hooks import Hook, HookPoint, Middleware, check_middleware
from jqjobs.jobs.limits import ConcurrencyRule, RateRule
from jqjobs.jobs.partitions import declared_partitions
from jqjobs.jobs.records import DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_CRASHES, DEFAULT_MAX_SNOOZES, Coalesce
from jqjobs.jobs.registration import Settings, app_defaults, check_options, settings_of
from jqjobs.jobs.timetable import Missed, Policy
from jqjobs.jobs.verdicts import ErrorTypes
from jqjobs.store.login import Credentials

__all__ = ["App", "Job", "Settings"]

Hooked = Hook | Sequence[Hook] | None
M = TypeVar("M", bound=Middleware)
P = ParamSpec("P")
R = TypeVar("R")


class App(Doors):
    """The jobs of one application.

    ``@app.on_failure`` and its kin register a hook of all its jobs, see `jqjobs.jobs.hooks.EVENTS`; those of the job
    itself go before. ``@app.on_worker_start`` and ``@app.on_worker_stop`` register a function that each worker calls
    before its first job and after its last one; a coroutine function runs in the event loop of the jobs.
    ``@app.on_enqueue``: ``function(call)`` sees each call before it is stored, and may add to its ``meta``.
    """

    on_start = HookPoint()
    on_success = HookPoint()
    on_failure = HookPoint()
    on_retry = HookPoint()
    on_state_change = HookPoint()
    cleanup = HookPoint()
    on_worker_start = WorkerPoint()
    on_worker_stop = WorkerPoint()
    on_enqueue = CallPoint()

    def __init__(
        self, imports: Iterable[str] | Callable[[], Iterable[str]] = (), *, redis_url: str | None = None,
        prefix: str | None = None, credentials: Credentials | None = None, defaults: Mapping[str, Any] | None = None,
        partitions: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        """``imports``: modules that hold jobs, ``shop.jobs`` or with a wildcard ``shop.*.jobs``; loaded by workers.
        Or a function that returns them, called when they are loaded.

        ``redis_url``, ``prefix``: instead of JQ_REDIS_URL and JQ_PREFIX of the environment or of ``.env``; apps with
        different prefixes never meet in Redis. ``credentials``: returns the password, or ``(user, password)``; called
        before each connection, of producers and of workers, instead of what URL and settings say. ``defaults``: options
        of `job` for all jobs that do not say otherwise, such as ``{"max_attempts": 5}``. ``partitions``: how many
        queues get from the first worker that serves them, ``{"orders": 4}``; `jqctl queue repartition` changes that.
        Raises: InvalidOption, InvalidName, ConfigError.
        """
        if prefix is not None:
            check_prefix(prefix)
        if credentials is not None and not callable(credentials):
            raise InvalidOption("credentials is no function", hint="give one that returns (user, password)")
        self._defaults = app_defaults(defaults)
        self.registry = Registry(imports)
        # A worker asks for these around each job; they are the same objects, one step nearer.
        self.jobs = self.registry.jobs
        self.hooks, self.middlewares = self.registry.hooks, self.registry.middlewares
        self.async_middlewares = self.registry.async_middlewares
        self.put_off = Later()
        self.credentials = credentials
        self.partitions = declared_partitions(partitions or {})
        self.client = Client(redis_url, prefix, credentials)
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """Where calls go: what JQ_ENGINE said when the first one was made, or what `use` said. Raises: ConfigError."""
        if self._engine is None:
            self._engine = choose_engine(Environment().get("engine"), self, self.client)
        return self._engine

    @property
    def schedules(self) -> AddedSchedules:
        """Those added at run time; `periodic` is for those in code."""
        return AddedSchedules(self.engine, self.registry.queues())

    def use(self, engine: Engine | None) -> Engine | None:
        """Let calls go to another engine and return the one before; None: as JQ_ENGINE says. See `jqjobs.testing`."""
        before, self._engine = self._engine, engine
        return before

    @overload
    def job(self, function: Callable[P, R]) -> Job[P, R]: ...
    @overload
    def job(
        self, *, name: str | None = None, queue: str = "default", priority: int = 0, delay: Duration = 0,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS, max_crashes: int = DEFAULT_MAX_CRASHES,
        timeout: Duration | None = "1h", keep: Duration | None = None, memory: Size = 0,
        backoff: Backoff | Duration | Sequence[Duration] | None = None, aliases: Iterable[str] = (),
        coalesce: str = Coalesce.UNFINISHED, replace: bool = False,
        rate_limit: RateRule | None = None, concurrency: ConcurrencyRule | None = None,
        max_throttles: int | None = None, throttle_counts: bool = False, redact: Iterable[str] = (),
        on_commit: str | Literal[False] | None = None, group: str | None = None,
        retry_on: ErrorTypes = (), discard_on: ErrorTypes = (), max_snoozes: int = DEFAULT_MAX_SNOOZES,
        on_start: Hooked = None, on_success: Hooked = None, on_failure: Hooked = None, on_retry: Hooked = None,
        on_state_change: Hooked = None, cleanup: Hooked = None,
    ) -> Callable[[Callable[P, R]], Job[P, R]]: ...  # fmt: skip
    def job(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Register a function as a job. Raises: DuplicateJobName, InvalidName, InvalidOption.

        ``delay``: how long calls wait unless they say otherwise, or until when, in words, see `Job.options`.
        ``timeout``: time limit of one attempt, None for none. ``keep``: how long result and record of a
        success are kept. ``backoff``: delay after a failure: a duration, a list of them, `Exponential` (default),
        `Fixed`. ``memory``: what one run needs beyond the worker itself, such as ``"300MB"``; it starts only where so
        much is free, and is dead (oversized) where it never will be. ``aliases``: former names that queued jobs may
        still carry. ``coalesce``, ``replace``: what calls
        with a ``key`` do unless they say otherwise, see `Job.options`. ``rate_limit``, ``concurrency``: how
        many may start in a time, or run at once, on all hosts together; or functions of the arguments by name that
        return such a limit or None. ``max_throttles``: dead after a limit held it back so often.
        ``throttle_counts``: each time is a failure. ``redact``: names of arguments, or patterns such as ``"*card*"``,
        whose values the dashboard does not show. ``on_commit``: see `Job.options`. ``group``: which calls take turns
        with others, such as ``"{tenant_id}"``, made of the arguments. ``discard_on``: types of errors that no further
        attempt would help, ``retry_on``: those that one would, and then no others; where both name a base of an error,
        the nearer one counts. ``max_snoozes``: dead when it raises `Snooze` once more. ``on_start`` …
        ``cleanup``: hooks, one or a list.
        """
        check_options(options)

        def register(target: Callable[..., Any]) -> Job[..., Any]:
            if isinstance(target, Job):
                raise InvalidOption(f"{target!r} is registered already", hint="put @app.periodic above @app.job")
            settings = settings_of(target, **{**self._defaults, **options})
            registry = self.registry
            job = Job(target, settings, lambda: self.engine, registry.app_hooks.on_enqueue, registry.observers)
            return registry.add(job)

        return register if function is None else register(function)

    def periodic(
        self, cron: str | None = None, *, every: Duration | None = None, tz: str | None = None,
        args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, missed: str = Missed.LATEST,
        catch_up: Duration = "1h", overlap: bool = True, schedule: str | None = None, **options: Any,
    ) -> Callable[[Callable[P, R]], Job[P, R]]:  # fmt: skip
        """Let a job run by itself, at the times of a cron expression in the zone ``tz`` (UTC) or ``every`` so often.

        Around a function it registers a job, with the ``options`` of `job`; around a job it adds a schedule to it, so
        one job can have several: each needs its own name, ``schedule``, which is otherwise that of the job. ``args``,
        ``kwargs``: what it is called with. ``missed``: when no daemon was there, run the latest tick ("latest"), none
        ("skip"), or "all"; in any case only those younger than ``catch_up``. ``overlap`` False: not while an earlier
        run has not ended. Raises: InvalidOption, InvalidName, InvalidArguments, DuplicateJobName; ConfigError without a
        zone database.
        """
        times, policy = timetable(cron, every, tz), Policy(missed, duration_ms(catch_up, "catch_up"))
        call = call_of(args, kwargs)

        def register(function: Callable[P, R]) -> Job[P, R]:
            if isinstance(function, Job) and options:
                raise InvalidOption(f"the options of {function!r} are given where it is registered")
            job: Job[P, R] = function if isinstance(function, Job) else self.job(**options)(function)
            self.registry.schedules.add(Schedule(schedule or job.name, job, times, policy, *call, overlap))
            return job

        return register

    def load(self) -> App:
        """Import the job modules and check every signature. Raises: ConfigError, and what the modules raise."""
        self.registry.load()
        return self

    def middleware(self, function: M, *, around_async: Middleware | None = None) -> M:
        """Register ``function(job, call)`` around the call of every job; the first one registered is outermost.

        It returns ``call()``, or something else; it may be ``async def``, and then awaits that. What it raises,
        the job raised. ``around_async``: what stands around ``async def`` jobs in its place. Raises: InvalidOption.
        """
        for each in (function, around_async or function):
            check_middleware(each)
        self.middlewares.append(function)
        self.async_middlewares.append(around_async or function)
        return function

    def later(self, function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call a function in this process, once the request ends or, outside of one, the process; nothing is stored.

        Requests are known to `wsgi` and `asgi`. Inside a job: between two batches of its worker. Calls keep their
        order; what one raises is logged. A process that is killed calls nothing.
        """
        self.put_off.add(partial(function, *args, **kwargs))

    def wsgi(self, application: WsgiApp) -> WsgiApp:
        """Return a WSGI application that runs what `later` was given once the response is closed."""
        return self.put_off.wsgi(application)

    def asgi(self, application: AsgiApp) -> AsgiApp:
        """Return an ASGI application that runs what `later` was given once the response is sent."""
        return self.put_off.asgi(application)
