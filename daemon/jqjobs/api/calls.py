"""Calls of a job on their way into the store: one, many with options of their own, one that somebody else will store.

What `api.function` inherits: there is who the job is, here is what is made of its calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from typing import Any, Generic, ParamSpec, Self

from jqjobs.api.engine import Engine
from jqjobs.api.handle import JobHandle, handle_of
from jqjobs.api.terms import Terms
from jqjobs.errors import InvalidArguments, InvalidOption
from jqjobs.jobs.app_hooks import NewCall
from jqjobs.jobs.groups import group_fields, group_of
from jqjobs.jobs.observers import Observer, sending
from jqjobs.jobs.options import Options
from jqjobs.jobs.records import NewJob, new_id, new_ids
from jqjobs.jobs.registration import Settings
from jqjobs.jobs.signature import Signature

P = ParamSpec("P")

_OPTIONS = frozenset(each.name for each in fields(Options))
#: What stands around calls that nobody watches.
_NOBODY = nullcontext()


class Calls(Generic[P]):
    """What may be done with calls of a job."""

    settings: Settings
    signature: Signature
    chosen: Options
    queue: str
    _terms: Terms
    _engine: Callable[[], Engine]
    _on_enqueue: Sequence[Callable[[NewCall], None]]
    _observers: Sequence[Observer]

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """Store a call of this job and return its handle.

        Raises: InvalidArguments (also PayloadTooLarge), StoreUnavailable, StoreFull, NotReplicated, StoreError.
        """
        check_begins(self)
        if self._observers:
            with _watched(self, 1):
                return self._stored([self._new(args, kwargs)])[0]
        engine = self._engine()
        return handle_of(engine.enqueue(self.queue, [self._new(args, kwargs)])[0], self.queue, engine)

    async def enqueue_async(self, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """Do what `enqueue` does, from a coroutine."""
        check_begins(self)
        with _watched(self, 1):
            [handle] = await self._stored_async([self._new(args, kwargs)])
        return handle

    def enqueue_many(self, calls: Iterable[Sequence[Any] | JobCall]) -> list[JobHandle]:
        """Store many calls, in order, a few hundred a round trip.

        ``calls``: of each its positional arguments as a tuple, or a pair of those and a dict of keyword arguments, or
        what `call` returns, which can have options of its own. All are checked before the first one is sent.
        """
        given = [*calls]
        with _watched(self, len(given)):
            return self._stored(self._many(given))

    async def enqueue_many_async(self, calls: Iterable[Sequence[Any] | JobCall]) -> list[JobHandle]:
        """Do what `enqueue_many` does, from a coroutine."""
        given = [*calls]
        with _watched(self, len(given)):
            return await self._stored_async(self._many(given))

    def call(self, /, *args: Any, **kwargs: Any) -> JobCall:
        """Return a call that is to be stored later, by `enqueue_many`, say. It is checked now.

        A keyword that the function does not take, and `options` does, is an option: ``job.call(42, key="a")``. Where
        both do, it is an argument, and the option is given before: ``job.options(key="a").call(42)``.
        Raises: InvalidArguments, InvalidOption, InvalidName.
        """
        names = self.signature.names()
        own = kwargs.keys() if names is None else names
        theirs = {name: kwargs.pop(name) for name in _OPTIONS & kwargs.keys() - own}
        job = self._with(Options(**theirs)) if theirs else self
        job.signature.encode(args, kwargs)
        return JobCall(job, args, kwargs)

    def with_options(self, chosen: Options) -> Self:
        """Return the job with these options, and none of those before, for the calls made on it."""
        raise NotImplementedError

    def _with(self, later: Options) -> Self:
        return self.with_options(self.chosen.with_(later))

    def _stored(self, new: Sequence[NewJob]) -> list[JobHandle]:
        engine = self._engine()
        return [handle_of(made, self.queue, engine) for made in engine.enqueue(self.queue, new)]

    async def _stored_async(self, new: Sequence[NewJob]) -> list[JobHandle]:
        engine = self._engine()
        return [handle_of(made, self.queue, engine) for made in await engine.enqueue_async(self.queue, new)]

    def _many(self, calls: Iterable[Sequence[Any] | JobCall]) -> list[NewJob]:
        if self._terms.job_id is not None:
            raise InvalidOption("an id names one job; enqueue_many makes many")
        check_begins(self)
        given = [_placed(self, call) for call in calls]
        ids = new_ids(len(given))
        return [
            job._new(args, kwargs, job._terms.job_id or job_id, is_fresh=job._terms.job_id is None)
            for (job, args, kwargs), job_id in zip(given, ids, strict=True)
        ]

    def _new(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], job_id: str = "", *, is_fresh: bool = False
    ) -> NewJob:  # fmt: skip
        terms, name = self._terms, self.settings.name
        job_id = job_id or terms.job_id or ""
        if not job_id:
            job_id, is_fresh = new_id(), True
        if terms.varies or self._on_enqueue:
            return _varying(self, terms, NewCall(name, self.queue, job_id, args, kwargs, {**(terms.meta or {})}))
        return NewJob(
            name, self.signature.encode(args, kwargs), job_id,
            terms.priority, terms.due_text, terms.key, terms.fields, *terms.coalescing, is_fresh,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobCall:
    """A call of a job, with the options of that call in ``job.chosen``."""

    job: Calls[...]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


def check_begins(job: Calls[...]) -> None:
    """Raise InvalidArguments when a job wants what the step before has returned: a call of it comes after another."""
    if job.signature.needs_previous:
        raise InvalidArguments(
            f"nothing is before {job!r}, which wants the result of that as {job.signature.previous!r}",
            hint="give that a default, or make it a later step: app.chain(…, job.call(…))",
        )


def _watched(job: Calls[...], count: int) -> AbstractContextManager[object]:
    """Return what observers put around the storing of so many calls."""
    if not job._observers:
        return _NOBODY
    return sending(job._observers, job.settings.name, job.queue, count)


_Placed = tuple[Calls[...], Sequence[Any], Mapping[str, Any]]


def _placed(job: Calls[...], call: Sequence[Any] | JobCall) -> _Placed:
    """Return one of many calls of a job: with which options, and its arguments. Raises: InvalidArguments, …Option."""
    if isinstance(call, JobCall):
        return _with_its_options(job, call), call.args, call.kwargs
    if not isinstance(call, (tuple, list)):
        raise InvalidArguments(f"enqueue_many takes tuples of arguments, not {call!r}", hint="write (value,) for one")
    if len(call) == 2 and isinstance(call[0], (tuple, list)) and isinstance(call[1], Mapping):
        return job, call[0], call[1]
    return job, call, {}


def _with_its_options(job: Calls[...], call: JobCall) -> Calls[...]:
    if call.job.settings is not job.settings:
        raise InvalidOption(f"{call.job!r} is another job than {job!r}", hint="call enqueue_many of each")
    one = job._with(call.job.chosen) if call.job.chosen != job.chosen else job
    if one.queue != job.queue or one._terms.on_commit != job._terms.on_commit:
        raise InvalidOption("all of enqueue_many go one way", hint="give queue and on_commit before: options(…)")
    return one


def fields_of(job: Calls[...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return what is stored with a call beside its arguments, but for its limits. Raises: InvalidArguments."""
    form, fields = job._terms.group_form, job._terms.fields
    return (*group_fields(group_of(form, job.signature.named(args, kwargs))), *fields) if form else fields


def limits_text(job: Calls[...], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return the limits of a call as they are stored, "-" for none.

    Raises: InvalidArguments, InvalidOption, and what a function that decides about limits raises.
    """
    return job.settings.limits.text(job.settings.name, job.signature.named(args, kwargs))


def _varying(job: Calls[...], terms: Terms, call: NewCall) -> NewJob:
    """Return the job of a call that differs from others in more than its arguments."""
    for function in job._on_enqueue:
        function(call)
    fields = fields_of(job, call.args, call.kwargs)
    if job.settings.limits:
        fields = (*fields, "limits", limits_text(job, call.args, call.kwargs))
    due_text = terms.due_text_at(job._engine().now_ms()) if terms.is_moment else terms.due_text
    return NewJob(
        call.name, job.signature.encode(call.args, call.kwargs, call.meta), call.id,
        terms.priority, due_text, terms.key, fields, *terms.coalescing,
    )  # fmt: skip
