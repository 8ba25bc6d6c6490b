"""A registered function: calling it runs it here and now, enqueuing (`api.calls`) hands it over."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from jqjobs.api.calls import Calls
from jqjobs.api.engine import Engine
from jqjobs.api.engine_choice import after_commit, in_outbox
from jqjobs.api.references import job_at, name_by_job, place_in_module
from jqjobs.api.terms import Terms
from jqjobs.base.clock import Duration
from jqjobs.jobs.app_hooks import NewCall
from jqjobs.jobs.groups import check_group_form
from jqjobs.jobs.hooks import HookPoint, Hooks
from jqjobs.jobs.observers import Observer
from jqjobs.jobs.options import NO_OPTIONS, Options
from jqjobs.jobs.registration import Settings, awaitable
from jqjobs.jobs.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")


class Job(Calls[P], Generic[P, R]):
    """A registered function. Calling it runs it here and now; `enqueue` hands it over.

    ``@send.on_failure`` and its kin register a hook of this job, see `jqjobs.jobs.hooks.EVENTS`.
    """

    on_start = HookPoint()
    on_success = HookPoint()
    on_failure = HookPoint()
    on_retry = HookPoint()
    on_state_change = HookPoint()
    cleanup = HookPoint()

    def __init__(
        self, function: Callable[P, R], settings: Settings, engine: Callable[[], Engine],
        on_enqueue: Sequence[Callable[[NewCall], None]] = (), observers: Sequence[Observer] = (),
    ) -> None:  # fmt: skip
        """``engine``: says where calls go, asked at each of them. ``on_enqueue``: told of each before it is stored.
        ``observers``: stand around that.

        Raises: InvalidOption.
        """
        functools.update_wrapper(self, function)  # first: a callable object may have attributes of any name
        self._function = awaitable(function)
        self.settings = settings
        #: What is called when something becomes of it.
        self.hooks: Hooks = settings.hooks
        #: Whether it has limits, or a function that decides about them; asked for each job that runs.
        self.is_limited = bool(settings.limits)
        self._now = engine
        self._on_enqueue = on_enqueue
        self._observers = observers
        self.signature = Signature(function)
        if (names := self.signature.names()) is not None:
            settings.limits.check(names)
            check_group_form(settings.group, names)
        self._take(Terms(settings, NO_OPTIONS))

    @functools.cached_property
    def function(self) -> Callable[P, R]:
        """What was registered, and runs."""
        return name_by_job(self._function, self)

    @functools.cached_property
    def is_async(self) -> bool:
        """Whether it is a coroutine function."""
        return inspect.iscoroutinefunction(self._function)

    def __reduce__(self) -> tuple[Any, ...]:
        return job_at, (*place_in_module(self), self.chosen)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Job {self.settings.queue}/{self.name}>"

    @property
    def name(self) -> str:
        """The name under which producers and workers know it."""
        return self.settings.name

    def options(
        self, *, queue: str | None = None, id: str | None = None, key: str | None = None, priority: int | None = None,
        delay: Duration | None = None, due: datetime | str | None = None, max_attempts: int | None = None,
        max_crashes: int | None = None, timeout: Duration | None = None, expires: Duration | None = None,
        keep: Duration | None = None, coalesce: str | None = None, replace: bool | None = None,
        meta: Mapping[str, Any] | None = None, on_commit: str | Literal[False] | None = None,
        tags: Sequence[str] | None = None, outbox: Any = None, group: str | None = None,
    ) -> Job[P, R]:  # fmt: skip
        """Return the job with other options for the calls made on it.

        ``delay``: a duration; ``due``: a moment (naive means local time); either may be in words, such as
        ``"2 days"`` or ``"tomorrow 9am Europe/Paris"``, and is read again at each call. ``expires``: not started by
        then, it is dead. ``key``: coalescing: enqueuing returns the job that has the key, if there is one.
        ``coalesce``: how long a job has it: until it is taken ("queued"), until it has succeeded or is dead
        ("unfinished"), or while it is dead too ("stored"). ``replace``: a job that has the key and has not started
        becomes this call. ``meta``: travels with the call, the job reads it as ``current_job().meta``.
        ``on_commit``: stored once the transaction of that database of Django is committed, and never if it is rolled
        back; outside of one, and with False, at once; "outbox": as ``outbox="default"``. ``tags``: words to find it by,
        at most 16 without spaces, such as ``["tenant:42"]``. ``outbox``: written into the table `jqjobs.outbox` in that
        transaction, whether Redis is there or not: a Session or Connection of SQLAlchemy, a DB-API connection or
        cursor, an alias of Django's databases. ``group``: takes turns with the other groups of the queue, however
        many jobs one has.
        Raises: InvalidOption, InvalidName.
        """
        given = Options(
            queue, id, key, priority, delay, due, max_attempts, max_crashes, timeout, expires, keep, coalesce, replace,
            meta, on_commit, tags, outbox, group,
        )  # fmt: skip
        return self.with_options(self.chosen.with_(given))

    def with_options(self, chosen: Options) -> Job[P, R]:
        """Return the job with these options, and none of those before, for the calls made on it."""
        job: Job[P, R] = object.__new__(type(self))  # copy() would go by `__reduce__`
        job.__dict__.update(self.__dict__)
        job._take(Terms(job.settings, chosen))
        return job

    def _take(self, terms: Terms) -> None:
        self._terms = terms
        #: What `options` was told, in all.
        self.chosen = terms.options
        #: The queue it goes to.
        self.queue = terms.queue
        self._engine = self._now
        if terms.outbox is not None:
            self._engine = in_outbox(self._now, terms.outbox)
        elif terms.on_commit:
            self._engine = after_commit(self._now, terms.on_commit)
