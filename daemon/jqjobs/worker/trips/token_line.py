"""One connection of an idle worker that waits for a wake token: of all its queues, in a cluster of one of them; or for
a queue out of a wake set."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from jqjobs.errors import StoreError
from jqjobs.store import keys
from jqjobs.store.address import Address
from jqjobs.store.clusters import OF_NO_QUEUE
from jqjobs.store.going_on import MOMENT_S
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.wire import Argument, Wire, raised

#: Redis ends the wait for a token after this long; a connection that says nothing for longer is half-open.
_BLOCK_S = 20
_SILENT_S = 30.0
#: Of so many queues of a cluster tokens are waited for at most; others are looked at when a poll is due.
_MOST_LINES = 32
#: Where a node of a cluster refuses to wait, since the queue is on its way to another one, it is asked so often only.
_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What an idle worker was woken for. ``woken``: queues whose tokens have come; ``called``: out of wake sets."""

    woken: set[str] = field(default_factory=set)
    called: deque[str] = field(default_factory=deque)


class Standing(Protocol):
    """What stands in Redis behind a wait, and is done when that ends; see `WakeTrip`. ``block_s``: when it does."""

    block_s: float

    def command(self) -> Sequence[Argument] | None:
        """Return it, for a wait that begins now; None: there is nothing to be done."""
        ...

    def hear(self, reply: Any, *, is_woken: bool) -> bool:
        """Take in what it was answered; whether there is a reason to look."""
        ...

    def lose(self) -> None:
        """Nobody will hear the answer."""
        ...


class TokenLine:
    """Asks (BZPOPMIN), and reads the answer when there is one."""

    def __init__(
        self, wire: Wire, queues: Callable[[], Sequence[str]], patterns: Sequence[str], heard: Heard,
        standing: Standing | None = None, nodes: SilentNodes | None = None,
    ) -> None:  # fmt: skip
        """``queues``: those of the worker as it waits. ``patterns``: those whose wake sets are asked too.

        ``heard``: gets what has come. ``standing``: what is sent behind each wait. ``nodes``: of a cluster, which of
        them are not asked.
        """
        self._wire = wire
        self._nodes = nodes
        self._queues = queues
        self._asked: Sequence[str] = ()
        self._tokens: dict[str, str] = {}
        self._queue_of: dict[bytes, str] = {}
        self._sets = [wire.address.key(keys.wakes(pattern)) for pattern in patterns]
        self._heard = heard
        self._standing = standing
        self._stands = False
        #: Whether the last answer was an error.
        self.has_failed = False
        self._asked_at = self._again_at = 0.0
        #: The queues whose tokens are not waited for.
        self._but: frozenset[str] = frozenset()

    def fileno(self) -> int:
        """Return the descriptor on which an answer comes."""
        return self._wire.fileno()

    def ask(self, but: frozenset[str]) -> bool:
        """Have Redis answer when there is a token of any queue not in ``but``; whether that could be asked."""
        queues = self._queues()
        is_other = but != self._but or (queues is not self._asked and not self._tokens.keys() >= set(queues))
        if self._asked_at and (is_other or time.monotonic() - self._asked_at > _SILENT_S):
            self.cancel()
        if self._asked_at:
            return True
        if queues is not self._asked:
            self._asked, self._tokens = queues, {queue: self._wire.address.key(keys.wake(queue)) for queue in queues}
            self._queue_of = {token.encode(): queue for queue, token in self._tokens.items()}
        tokens = [*[token for queue, token in self._tokens.items() if queue not in but], *self._sets]
        if not tokens or (self._again_at and time.monotonic() < self._again_at) or self._is_silent():
            return False
        self._but = but
        try:
            self._send(tokens)
        except StoreError as error:
            if self._nodes is not None:
                self._nodes.note(self._wire.tag, error)
            self._leave()
            return False
        self._asked_at = time.monotonic()
        return True

    def _is_silent(self) -> bool:
        """Whether the node of a cluster is not to be asked; while any does not answer no wait for one is long."""
        if self._nodes is None:
            return False
        self._wire.waits.shorten(MOMENT_S if self._nodes.are_some else math.inf)
        return self._nodes.unasked(self._wire.tag) is not None

    def _send(self, tokens: Sequence[str]) -> None:
        standing = self._standing
        command = standing.command() if standing is not None else None
        if standing is None or command is None:
            return self._wire.send(("BZPOPMIN", *tokens, _BLOCK_S))
        self._stands = True
        return self._wire.send(("BZPOPMIN", *tokens, round(standing.block_s, 3)), command)

    def read(self) -> bool:
        """Read the answer; whether it is a reason to look, as an error is."""
        self._asked_at = 0.0
        try:
            token = raised(self._wire.reply())
            done = raised(self._wire.reply()) if self._stands else None
        except StoreError:
            self._leave()
            self._again_at = time.monotonic() + _AGAIN_S if self._wire.address.cluster else 0.0
            self.has_failed = True
            return True
        self.has_failed = False
        self._hear(token)
        if self._standing is None or not self._stands:
            return True
        self._stands = False
        return self._standing.hear(done, is_woken=token is not None)

    def _hear(self, reply: Any) -> None:
        if reply is not None and reply[0].decode() in self._sets:
            self._heard.called.append(reply[1].decode("utf-8", "replace"))
        elif reply is not None:
            queue = self._queue_of[reply[0]]
            # Of those that it serves by turns it may have let go meanwhile: then it goes there again.
            (self._heard.called.append if self._sets else self._heard.woken.add)(queue)

    def cancel(self) -> bool:
        """Stop waiting: a busy worker must not swallow a token that could wake an idle one. Whether it has waited."""
        has_waited = self._asked_at > 0
        if has_waited:
            self._leave()
        return has_waited

    def _leave(self) -> None:
        self._wire.close()
        self._asked_at = 0.0
        if self._stands and self._standing is not None:
            self._standing.lose()
        self._stands = False


def _while_there(queue: str, queues: Callable[[], Sequence[str]]) -> Callable[[], Sequence[str]]:
    alone = (queue,)
    return lambda: alone if queue in queues() else ()


def token_lines(
    address: Address, name: str, named: Sequence[str], queues: Callable[[], Sequence[str]], patterns: Sequence[str],
    heard: Heard, nodes: SilentNodes, standing: Standing | None = None,
) -> list[TokenLine]:  # fmt: skip
    """Return one for all queues, or one to the place of each. Those of a cluster tell it of a queue that moves.

    ``queues``: says in which it is; in a cluster only those count that are ``named``.
    """
    if not address.cluster:
        return [TokenLine(Wire(address, name=name), queues, patterns, heard, standing)]

    def line(place: str, asked: Callable[[], Sequence[str]], sets: Sequence[str]) -> TokenLine:
        return TokenLine(Wire(address.at(place), name=name), asked, sets, heard, nodes=nodes)

    lines = [line(queue, _while_there(queue, queues), ()) for queue in named[:_MOST_LINES]]
    return [*lines, line(OF_NO_QUEUE, tuple, patterns)] if patterns else lines
