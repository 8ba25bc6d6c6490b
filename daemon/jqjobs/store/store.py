"""Runs calls on one connection. The only other doors to Redis are `AsyncStore` and the wake connection.

One `Store` belongs to one thread. It sends a script by its SHA-1 and its text where Redis does not
know it yet. What went out without a reply may have been done: it is sent again only if the call says that this is safe.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from jqjobs.errors import NotReplicated, ScriptMissing, StoreBusy, StoreError, StoreUnavailable
from jqjobs.store import keys
from jqjobs.store.address import Address
from jqjobs.store.ahead_run import AheadRun
from jqjobs.store.call import Call
from jqjobs.store.freshness import freshen
from jqjobs.store.nodes import Connections, connections_to
from jqjobs.store.patience import MAYBE_DONE, Patience, is_unsent, may_pass
from jqjobs.store.replication import INFO, Replicas, check_reached, connected_replicas
from jqjobs.store.reply_values import text
from jqjobs.store.wire import Argument, raise_first, raised, replicas_by_sentinels

T = TypeVar("T")


class Store:
    """The queue system as one connection sees it. ``now_ms`` replaces the clock of Redis in tests.

    ``patience_s``: for people and producers, who make each call once: so long it takes in all. It goes over no
    connection that has ended, and is tried again while Redis says that it did not run it (it loads, is read-only).
    0: for loops, which have a pace of their own.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout_s: float = 5.0,
        patience_s: float = 0.0,
        name: str = "jqjobs",
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self.address = address
        self.wire = connections_to(address, timeout_s=timeout_s, name=name)
        self._patience_s = patience_s
        self._now_ms = now_ms
        self._prefix = address.prefix
        self._replicas: dict[str, Replicas] = defaultdict(Replicas)

    def close(self) -> None:
        """Drop the connection."""
        self.wire.close()

    def run(self, call: Call[T], until_s: float | None = None) -> T:
        """Run a script call and return its parsed answer. ``until_s``: when patience ends, if it began with another.

        A call is sent once more when its connection was cut before it was sent; a repeatable one also when a connection
        that had stood idle turns out broken.
        Raises: StoreUnavailable, StoreBusy, StoreFull, StoreRefused, StoreError.
        """
        if not self._patience_s:
            return self._run(call)
        patience = Patience(until_s or time.monotonic() + self._patience_s)
        before_s = self.wire.waits.until_s
        freshen(self.wire)
        try:
            while True:
                self.wire.waits.hurry(patience.until_s)
                try:
                    return self._run(call)
                except StoreError as error:
                    if not may_pass(error, self.address):
                        raise
                    self.wire.close()  # another server may be behind the address by now
                    time.sleep(patience.pause_s(error))
        finally:
            self.wire.waits.hurry(before_s)

    def _run(self, call: Call[T]) -> T:
        was_connected = self.wire.connected
        try:
            return call.parse(self._evaluate(call))
        except StoreBusy:
            raise
        except StoreUnavailable as error:
            if not call.repeatable and error.unanswered:
                error.hint = MAYBE_DONE
            if not ((call.repeatable and was_connected) or is_unsent(error)):
                raise
            return call.parse(self._evaluate(call))

    def send(self, call: Call[Any]) -> None:
        """Send a script call whose answer `receive` reads; nothing else may be asked meanwhile. Raises: StoreError."""
        self.wire.send(self.command(call))

    def receive(self, call: Call[T]) -> T:
        """Return the answer of the call that was sent. Raises: what `run` raises."""
        try:
            return call.parse(raised(self.wire.reply()))
        except ScriptMissing:
            return call.parse(self.wire.call("EVAL", call.script.source, *self.command(call)[2:]))

    def _evaluate(self, call: Call[Any]) -> Any:
        command = self.command(call)
        try:
            return self._ask(call, command)
        except ScriptMissing:
            return self._ask(call, ("EVAL", call.script.source, *command[2:]))

    def _ask(self, call: Call[Any], command: tuple[Argument, ...]) -> Any:
        if call.wait is None:
            return self.wire.call(*command)
        wanted = call.wait.replicas or _known_replicas(self.wire, self._replicas[call.keys[0]], str(command[3]))
        reply, reached = raise_first(self.wire.pipeline([command, ("WAIT", wanted, call.wait.ms)]))
        try:
            check_reached(reached, wanted, call.wait, call.parse(reply))
        except NotReplicated:
            self._replicas.clear()
            self.wire.close()  # another server may be the primary by now
            raise
        return reply

    def command(self, call: Call[Any]) -> tuple[Argument, ...]:
        """Return the EVALSHA command of a call."""
        if self._now_ms is not None:
            call = replace(call, args=(self._now_ms(), *call.args[1:]))
        return call.command(self._prefix)

    def run_many(self, calls: Sequence[Call[T]]) -> list[T | StoreError]:
        """Run calls in one round trip; an error stands in the place of its call's answer."""
        if not calls:
            return []
        replies = self.wire.pipeline_in_parts([self.command(call) for call in calls])
        return [self._answer(call, reply) for call, reply in zip(calls, replies, strict=True)]

    def run_all(self, calls: Sequence[Call[T]]) -> list[T]:
        """Run calls in one round trip, all of them; then raise the first error, if there is one."""
        answers = self.run_many(calls)
        raise_first(answers)
        return [answer for answer in answers if not isinstance(answer, StoreError)]

    def run_ahead(self, calls: Iterable[Call[T]]) -> Generator[T | StoreError, None, None]:
        """Run calls in order, the next ones made and sent while Redis works; yield what became of each that was sent.

        After an error no more are sent. The generator must be closed.
        """
        return AheadRun(self, calls).answers()

    def _answer(self, call: Call[T], reply: Any) -> T | StoreError:
        if isinstance(reply, ScriptMissing):  # each call is a transition of its own, so it may run later
            try:
                return self.run(call)
            except StoreUnavailable:
                raise
            except StoreError as error:
                return error
        return reply if isinstance(reply, StoreError) else call.parse(reply)

    def queues(self) -> list[str]:
        """Return the names of all known queues, sorted."""
        return sorted(text(name) for name in self.wire.call("SMEMBERS", self.address.key(keys.QUEUES)))

    def ping(self) -> None:
        """Raise StoreUnavailable (or its kin) unless Redis answers."""
        self.wire.call("PING")


def _known_replicas(wire: Connections, replicas: Replicas, key: str) -> int:
    """Return how many replicas the server has that has a key."""
    if known := replicas.known:
        return known
    try:
        told = replicas_by_sentinels(wire.address)
        return replicas.note(
            connected_replicas(raise_first(wire.pipeline([("EXISTS", key), INFO]))[1]) if told is None else told
        )
    except StoreError as error:
        error.unanswered = False  # nothing of the call was sent
        raise
