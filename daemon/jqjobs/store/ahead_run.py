"""Runs many calls over one connection: the next ones are made and sent while Redis works."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from jqjobs.errors import ScriptMissing, StoreBusy, StoreError
from jqjobs.store.call import Call
from jqjobs.store.freshness import freshen
from jqjobs.store.nodes import Connections
from jqjobs.store.wire import Argument

T = TypeVar("T")

#: So many calls are sent before the reply to the one in front of them is there.
_AHEAD = 2


class Runs(Protocol):
    """The store whose connection it is."""

    wire: Connections

    def command(self, call: Call[Any]) -> tuple[Argument, ...]:
        """Return the command of a call."""
        ...

    def run(self, call: Call[T]) -> T:
        """Run one call by itself."""
        ...


class AheadRun(Generic[T]):
    """One run. The first call goes alone: Redis may have to learn the script."""

    def __init__(self, store: Runs, calls: Iterable[Call[T]]) -> None:
        self._store = store
        self._coming = iter(calls)
        self._sent: deque[Call[T]] = deque()
        self._ahead = 0

    def answers(self) -> Generator[T | StoreError, None, None]:
        """Yield what became of each call that was sent, in order; after an error no more are sent."""
        answers: list[T | StoreError] = []
        freshen(self._store.wire)
        try:
            while not any(isinstance(answer, StoreError) for answer in answers):
                answers = self._next_answers()
                if not answers:
                    return
                for answer in answers:
                    if self._sent:
                        self._sent.popleft()
                    yield answer
                self._ahead = _AHEAD
        finally:
            if self._sent:  # replies that nobody is going to read
                self._store.wire.close()

    def _next_answers(self) -> list[T | StoreError]:
        """Return the answer of the first call; of all when it is an error, so that none is left unread."""
        sent, wire = self._sent, self._store.wire
        if not (sent or wire.connected):
            return [self._alone(call) for call in islice(self._coming, 1)]  # it may take patience to connect
        try:
            self._send()
            replies = [wire.reply()] if sent else []
            if replies and isinstance(replies[0], StoreError):
                replies += [wire.reply() for _ in range(1, len(sent))]
        except StoreError as error:
            error.unanswered = bool(sent)
            return [error] * max(1, len(sent))
        return [self._answer(call, reply) for call, reply in zip(sent, replies, strict=False)]

    def _send(self) -> None:
        while len(self._sent) <= self._ahead and (call := next(self._coming, None)) is not None:
            self._store.wire.send(self._store.command(call))
            self._sent.append(call)

    def _answer(self, call: Call[T], reply: Any) -> T | StoreError:
        if isinstance(reply, (ScriptMissing, StoreBusy)):  # not run: each call is a transition of its own
            return self._alone(call)
        return reply if isinstance(reply, StoreError) else call.parse(reply)

    def _alone(self, call: Call[T]) -> T | StoreError:
        try:
            return self._store.run(call)
        except StoreError as error:
            return error
