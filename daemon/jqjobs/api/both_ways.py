"""What is written once, as the steps that lead to it, is a method for threads and one for coroutines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from jqjobs.api.engine import Engine
from jqjobs.store.steps import Steps, run_steps, run_steps_async

P = ParamSpec("P")
R = TypeVar("R")


class _Owner(Protocol):
    @property
    def _engine(self) -> Engine: ...


S = TypeVar("S", bound=_Owner)


def both_ways(
    steps: Callable[Concatenate[S, P], Steps[R]],
) -> tuple[Callable[Concatenate[S, P], R], Callable[Concatenate[S, P], Awaitable[R]]]:
    """Return two methods that go through these steps: one that does, and one to be awaited."""

    @wraps(steps)
    def now(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return run_steps(self._engine.run, steps(self, *args, **kwargs))

    @wraps(steps)
    async def awaited(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await run_steps_async(self._engine.run_async, steps(self, *args, **kwargs))

    owner = steps.__qualname__.rpartition(".")[0]
    for method, name in ((now, steps.__name__[1:]), (awaited, f"{steps.__name__[1:]}_async")):
        method.__name__, method.__qualname__ = name, f"{owner}.{name}"
    return now, awaited
