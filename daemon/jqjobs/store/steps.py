"""What takes several calls, written once for threads and coroutines: a generator that yields calls and gets answers.

found = yield search(…)   # in the steps
run_steps(store.run, steps) · await run_steps_async(run_async, steps)
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store.call import Call

T = TypeVar("T")
#: Steps that come to a T.
Steps = Generator[Call[Any], Any, T]


class NotAsked(StoreUnavailable):
    """A node is known not to answer: nobody has waited for it, see `SilentNodes`."""


def is_costly(problem: StoreError, until_s: float) -> bool:
    """Whether another failure like this would take too long: the time is over. ``until_s``: monotonic, s."""
    return time.monotonic() >= until_s and not isinstance(problem, NotAsked)


class Failures:
    """Of one round over many places: one that failed is not tried again in it, and the others are not held up.

    ``has_ended``: the first failure past ``until_s``, monotonic, s, was a costly one: nobody is tried any more.
    """

    def __init__(self, until_s: float) -> None:
        self._until_s = until_s
        self.places: set[str] = set()
        self.has_ended = False
        self._first: StoreError | None = None

    def note(self, place: str, problem: StoreError) -> bool:
        """Note that a place did not do what it was asked; whether the round has ended."""
        self.places.add(place)
        self._first = self._first or problem
        self.has_ended = self.has_ended or is_costly(problem, self._until_s)
        return self.has_ended

    def raise_first(self) -> None:
        """Raise the first of them, if any, once the round is over."""
        if self._first is not None:
            raise self._first


def run_steps(run: Callable[[Call[Any]], Any], steps: Steps[T]) -> T:
    """Go through steps and return what they come to. Raises: what the steps raise, and what ``run`` does:
    a StoreError where the steps, which may handle it, wait for the answer."""
    answer, problem = None, None
    while True:
        try:
            call = steps.throw(problem) if problem else steps.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        answer, problem = None, None
        try:
            answer = run(call)
        except StoreError as error:
            problem = error


async def run_steps_async(run: Callable[[Call[Any]], Awaitable[Any]], steps: Steps[T]) -> T:
    """Do what `run_steps` does, from a coroutine."""
    answer, problem = None, None
    while True:
        try:
            call = steps.throw(problem) if problem else steps.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        answer, problem = None, None
        try:
            answer = await run(call)
        except StoreError as error:
            problem = error
