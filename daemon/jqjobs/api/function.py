"""A registered function: calling it runs it here and now, enqueuing hands it over."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from jqjobs.api.engine import Engine
from jqjobs.api.engine_choice import after_commit
from jqjobs.api.handle import JobHandle, handle_of, tell_handles
from jqjobs.api.references import job_at, name_by_job, place_in_module
from jqjobs.api.terms import Terms
from jqjobs.base.clock import Duration
from jqjobs.errors import InvalidArguments, InvalidOption, NotReplicated
from jqjobs.jobs.app_hooks import NewCall
from jqjobs.jobs.hooks import HookPoint, Hooks
from jqjobs.jobs.options import NO_OPTIONS, Options
from jqjobs.jobs.records import NewJob, new_id, new_ids
from jqjobs.jobs.registration import Settings, awaitable
from jqjobs.jobs.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")


class Job(Generic[P, R]):
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
        on_enqueue: Sequence[Callable[[NewCall], None]] = (),
    ) -> None:  # fmt: skip
        """``engine``: says where calls go, asked at each of them. ``on_enqueue``: told of each before it is stored.

        Raises: InvalidOption.
        """
        functools.update_wrapper(self, function)  # first: a callable object may have attributes of any name
        self._function = awaitable(function)
        self.settings = settings
        #: What is called when something becomes of it.
        self.hooks: Hooks = settings.hooks
        self._now = engine
        self._on_enqueue = on_enqueue
        self.signature = Signature(function)
        if (names := self.signature.names()) is not None:
            settings.limits.check(names)
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
        tags: Sequence[str] | None = None,
    ) -> Job[P, R]:  # fmt: skip
        """Return the job with other options for the calls made on it.

        ``delay``: a duration; ``due``: a moment (naive means local time); either may be in words, such as
        ``"2 days"`` or ``"tomorrow 9am Europe/Paris"``, and is read again at each call. ``expires``: not started by
        then, it is dead. ``key``: coalescing: enqueuing returns the job that has the key, if there is one.
        ``coalesce``: how long a job has it: until it is taken ("queued"), until it has succeeded or is dead
        ("unfinished"), or while it is dead too ("stored"). ``replace``: a job that has the key and has not started
        becomes this call. ``meta``: travels with the call, the job reads it as ``current_job().meta``.
        ``on_commit``: stored once the transaction of that database of Django is committed, and never if it is rolled
        back; outside of one, and with False, at once. ``tags``: words to find it by, at most 16 without spaces, such
        as ``["tenant:42"]``.
        Raises: InvalidOption, InvalidName.
        """
        given = Options(
            queue, id, key, priority, delay, due, max_attempts, max_crashes, timeout, expires, keep, coalesce, replace,
            meta, on_commit, tags,
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
        self._engine = after_commit(self._now, terms.on_commit) if terms.on_commit else self._now

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """Store a call of this job and return its handle.

        Raises: InvalidArguments (also PayloadTooLarge), StoreUnavailable, StoreFull, NotReplicated, StoreError.
        """
        engine = self._engine()
        try:
            return handle_of(engine.enqueue(self.queue, [self._new(args, kwargs)])[0], self.queue, engine)
        except NotReplicated as error:
            tell_handles(error, self.queue, engine)
            raise

    async def enqueue_async(self, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """Do what `enqueue` does, from a coroutine."""
        engine = self._engine()
        try:
            [made] = await engine.enqueue_async(self.queue, [self._new(args, kwargs)])
        except NotReplicated as error:
            tell_handles(error, self.queue, engine)
            raise
        return handle_of(made, self.queue, engine)

    def enqueue_many(self, arguments: Iterable[Sequence[Any]]) -> list[JobHandle]:
        """Store many calls, in order, a few hundred a round trip.

        ``arguments``: for each call its positional arguments as a tuple, or a pair of those and a dict of
        keyword arguments. All are checked before the first one is sent.
        """
        if self._terms.job_id is not None:
            raise InvalidOption("an id names one job; enqueue_many makes many")
        given = [_call(item) for item in arguments]
        new = [self._new(*call, job_id) for call, job_id in zip(given, new_ids(len(given)), strict=True)]
        engine = self._engine()
        try:
            return [handle_of(made, self.queue, engine) for made in engine.enqueue(self.queue, new)]
        except NotReplicated as error:
            tell_handles(error, self.queue, engine)
            raise

    def limits_text(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return the limits of a call as they are stored, "-" for none.

        Raises: InvalidArguments, InvalidOption, and what a function that decides about limits raises.
        """
        return self.settings.limits.text(self.name, self.signature.named(args, kwargs))

    def _new(self, args: Sequence[Any], kwargs: Mapping[str, Any], job_id: str = "") -> NewJob:
        terms = self._terms
        job_id = job_id or terms.job_id or new_id()
        if terms.varies or self._on_enqueue:
            call = NewCall(self.name, self.queue, job_id, args, kwargs, {**(terms.meta or {})})
            return _varying(self, terms, call)
        return NewJob(
            self.settings.name, self.signature.encode(args, kwargs), job_id,
            terms.priority, terms.due_text, terms.key, terms.fields, *terms.coalescing,
        )  # fmt: skip


def _varying(job: Job[..., Any], terms: Terms, call: NewCall) -> NewJob:
    """Return the job of a call that differs from others in more than its arguments."""
    for function in job._on_enqueue:
        function(call)
    fields = terms.fields
    if job.settings.limits:
        fields = (*fields, "limits", job.limits_text(call.args, call.kwargs))
    due_text = terms.due_text_at(job._engine().now_ms()) if terms.is_moment else terms.due_text
    return NewJob(
        job.name, job.signature.encode(call.args, call.kwargs, call.meta), call.id,
        terms.priority, due_text, terms.key, fields, *terms.coalescing,
    )  # fmt: skip


def _call(item: Sequence[Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    if not isinstance(item, (tuple, list)):
        raise InvalidArguments(f"enqueue_many takes tuples of arguments, not {item!r}", hint="write (value,) for one")
    if len(item) == 2 and isinstance(item[0], (tuple, list)) and isinstance(item[1], Mapping):
        return item[0], item[1]
    return item, {}
