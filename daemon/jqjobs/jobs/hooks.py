"""Hooks and middleware: functions of the application's own around its jobs. Registered here, called by workers.

A hook is told what became of a job and changes nothing. A middleware is part of the call: it may look at what
goes in and what comes out, raise, or do without the call.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from types import CoroutineType
from typing import Any, Protocol, TypeVar

from jqjobs.errors import ConfigError, InvalidOption
from jqjobs.jobs.context import JobContext

F = TypeVar("F", bound=Callable[..., Any])

#: What the hooks of each event are called with.
EVENTS: Mapping[str, tuple[str, ...]] = {
    "on_start": ("job",),
    "on_success": ("job", "result"),
    "on_failure": ("job", "error"),
    "on_retry": ("job", "error", "delay_s"),
    "on_state_change": ("job", "old", "new", "reason"),
    "cleanup": ("job",),
}

Hook = Callable[..., Any]
#: Awaits a plain function, which runs outside of the event loop. Several at once run one after the other: all in one
#: thread, that of the job.
Outside = Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]]

#: What runs when somebody calls a function that `contextlib` has made a context manager of: it only makes one.
_MAKERS = {contextlib.contextmanager(iter).__code__, contextlib.asynccontextmanager(aiter).__code__}


class Middleware(Protocol):
    """A function around the call of a job; `call` takes nothing and returns what the job returns."""

    def __call__(self, job: JobContext, call: Callable[[], Any], /) -> Any: ...


class Hooks:
    """The hooks of one job, or of an app.

    ``used``: whether anybody wants to hear of attempts, asked for each job that runs; hooks or observers.
    """

    def __init__(self, given: Mapping[str, Hook | Sequence[Hook] | None] | None = None) -> None:
        self.used = False
        self._functions: dict[str, list[Hook]] = {event: [] for event in EVENTS}
        for event, functions in (given or {}).items():
            for function in _listed(functions):
                self.add(event, function)

    def add(self, event: str, function: F) -> F:
        """Register a function for an event and return it. Raises: InvalidOption when it cannot be called so."""
        check_callable_with(event, function, EVENTS[event])
        self._functions[event].append(function)
        self.used = True
        return function

    def __bool__(self) -> bool:
        """Whether there are hooks."""
        return any(self._functions.values())

    def of(self, event: str) -> Sequence[Hook]:
        """Return the functions of an event, in the order of their registration."""
        return self._functions[event]


class HookPoint:
    """`send.on_failure`, `app.on_failure`: a decorator that registers a function with the ``hooks`` of its owner."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._event = name

    def __get__(self, instance: Any, owner: type) -> Callable[[F], F]:
        hooks: Hooks = instance.hooks
        return partial(hooks.add, self._event)


def check_middleware(function: Middleware) -> None:
    """Raise InvalidOption unless this may be called as ``function(job, call)``."""
    check_callable_with("middleware", function, ("job", "call"))


def check_order(middlewares: Sequence[Middleware]) -> None:
    """Raise ConfigError when a plain middleware stands inside an ``async def`` one, around an ``async def`` job.

    A plain function waits for the job by running its event loop, and there can be no loop inside of a loop.
    """
    kinds = [inspect.iscoroutinefunction(each) for each in middlewares]
    if True in kinds and False in kinds[kinds.index(True) :]:
        raise ConfigError(
            "a plain middleware was registered after an async one, so it cannot wait for async jobs",
            hint="register plain ones first, or write them as async def",
        )


def wrapped(
    call: Callable[[], Any], middlewares: Sequence[Middleware], job: JobContext, run: Callable[[Any], Any],
    outside: Outside | None = None,
) -> Any:  # fmt: skip
    """Call a job through its middlewares, the first one outermost, and return its result or its coroutine.

    ``run``: runs a coroutine to its end, for plain middlewares. ``outside``: for a plain job inside of async ones.
    """
    is_plain = True
    for middleware in reversed(middlewares):
        is_async = inspect.iscoroutinefunction(middleware)
        call = partial(middleware, job, _inner(call, run, outside if is_plain else None, is_async=is_async))
        is_plain = not is_async
    return call()


def _inner(
    call: Callable[[], Any], run: Callable[[Any], Any], outside: Outside | None, *, is_async: bool
) -> Callable[[], Any]:
    async def awaited() -> Any:
        result = call() if outside is None else await outside(call)
        return await result if isinstance(result, CoroutineType) else result

    def finished() -> Any:
        result = call()
        return run(result) if isinstance(result, CoroutineType) else result

    return awaited if is_async else finished


def _listed(functions: Hook | Sequence[Hook] | None) -> Iterator[Hook]:
    if callable(functions):
        yield functions
    else:
        yield from functions or ()


def check_runs(function: Callable[..., Any], what: str) -> None:
    """Raise InvalidOption for a generator function and a context manager: called, it makes one and runs nothing."""
    if getattr(function, "__code__", None) in _MAKERS:
        raise InvalidOption(
            f"{function!r} is a context manager, so as {what} it would never run",
            hint="write `with` in a function",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidOption(
            f"{function!r} is a generator function, so as {what} it would never run",
            hint="do the work in a loop, and return the results as a list",
        )


def check_callable_with(what: str, function: Callable[..., Any], names: Sequence[str]) -> None:
    """Raise InvalidOption unless a function can be called with arguments of these names, and then runs."""
    check_runs(function, what)
    try:
        inspect.signature(function).bind(*names)
    except (TypeError, ValueError):
        raise InvalidOption(f"{what} is called as {what}({', '.join(names)}); {function!r} cannot be") from None
