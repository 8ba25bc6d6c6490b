"""Functions of the application's own around its workers and its calls; those around a job are in `hooks`.

Registered here. Workers call those of their beginning and end, whoever enqueues calls those of a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from jqjobs.errors import InvalidOption
from jqjobs.jobs.hooks import check_callable_with

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class NewCall:
    """A call that is about to be stored. ``meta`` travels with it, as JSON: add to it; nothing else can be changed."""

    name: str
    queue: str
    id: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    meta: dict[str, Any] = field(default_factory=dict)


class AppHooks:
    """The functions by event, each in the order of registration."""

    def __init__(self) -> None:
        self.on_worker_start: list[Callable[[], Any]] = []
        self.on_worker_stop: list[Callable[[], Any]] = []
        self.on_enqueue: list[Callable[[NewCall], None]] = []


class WorkerPoint:
    """`app.on_worker_start`, `app.on_worker_stop`: a decorator that registers ``function()``."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._event = name

    def __get__(self, instance: Any, owner: type) -> Callable[[F], F]:
        hooks: AppHooks = instance.registry.app_hooks
        return partial(_add, self._event, getattr(hooks, self._event), ())


class CallPoint:
    """`app.on_enqueue`: a decorator that registers ``function(call)``."""

    def __get__(self, instance: Any, owner: type) -> Callable[[F], F]:
        hooks: AppHooks = instance.registry.app_hooks
        return partial(_add_plain, "on_enqueue", hooks.on_enqueue, ("call",))


def _add(event: str, functions: list[Callable[..., Any]], names: Sequence[str], function: F) -> F:
    """Register a function and return it. Raises: InvalidOption when it cannot be called so."""
    check_callable_with(event, function, names)
    functions.append(function)
    return function


def _add_plain(event: str, functions: list[Callable[..., Any]], names: Sequence[str], function: F) -> F:
    if iscoroutinefunction(function):  # `enqueue` has no event loop to run it in
        raise InvalidOption(f"{event} calls plain functions; {function!r} is async")
    return _add(event, functions, names, function)
