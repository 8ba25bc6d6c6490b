"""The wires to nodes of a cluster: one to each node that was needed. Called by `nodes`, which knows what goes where.

What goes to several nodes is sent to all of them before any is waited for. A node that stands still is left when
another one has taken over from it, not only when its time is over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.routes import ASKING, Batch, Command, Stop
from jqjobs.store.sentinels import Place
from jqjobs.store.slot_map import SlotMap
from jqjobs.store.sockets import unavailable
from jqjobs.store.wire import Wire, to_node_of

#: A node that is silent for so long is asked after, at the others, each time.
_SILENCE_S = 1.0
#: So long each has at least, where others have used up the time of a round.
_LEAST_S = 0.5


class NodeWires:
    """Made on first use; left once their nodes have no slots any more."""

    def __init__(self, address: Address, slots: SlotMap, *, timeout_s: float, name: str) -> None:
        self.waits = NodeWaits(self, timeout_s)
        #: Why a node could not be reached; whoever wants to know about one round forgets it before.
        self.unreached: StoreError | None = None
        self._address = address
        self._slots = slots
        self._timeout_s = timeout_s
        self._name = name
        self._to_node = to_node_of(address)
        self._by_place: dict[Place, Wire] = {}
        #: While waits are short: why these nodes are not asked again.
        self.passed_by: dict[Place, StoreError] = {}

    @property
    def all(self) -> Sequence[Wire]:
        """All there are."""
        return list(self._by_place.values())

    def to(self, place: Place) -> Wire:
        """Return the one to a node."""
        wire = self._by_place.get(place)
        if wire is None:
            wire = self._by_place[place] = NodeWire(
                self._address.node(place), lambda: self._is_replaced(place), timeout_s=self._timeout_s, name=self._name
            )
            wire.waits.shorten(self.waits.most_s)
            wire.waits.hurry(self.waits.until_s)
        return wire

    def look(self) -> None:
        """Have the map of slots right, as far as anybody knows; leave nodes that have none any more."""
        if self._slots.is_doubted:
            self._slots.look(self._to_node, self.waits.step_s)
            for place in self._by_place.keys() - self._slots.primaries:
                self._by_place.pop(place).close()

    def _is_replaced(self, place: Place) -> bool:
        self._slots.doubt(place)
        self._slots.look(self._to_node, _SILENCE_S)
        return place not in self._slots.primaries

    def close(self) -> None:
        """Drop all connections."""
        while self._by_place:
            self._by_place.popitem()[1].close()

    def ask(self, batch: Batch) -> dict[Stop, list[Any]]:
        """Send all, then read all; an error is each reply of a node that cannot be reached.

        Several that stand still take together as long as one of them, and a moment each. One that answers may take its
        time: after each reply it has that of a step for the next one.
        """
        until_s, found = time.monotonic() + self.waits.step_s, dict[Stop, list[Any]]()
        try:
            sent = {stop: self._send_all(stop, commands, until_s) for stop, commands in batch.items()}
            for stop, commands in batch.items():
                unsent = sent[stop]
                found[stop] = (
                    self._read_all(stop, len(commands), until_s) if unsent is None else [unsent] * len(commands)
                )
        finally:
            self.waits.hurry(self.waits.until_s)
        return found

    def _hurried(self, stop: Stop, until_s: float) -> Wire:
        """Return the wire to a node, which does what comes next by then, or has a moment for it."""
        wire = self.to(stop.place)
        wire.waits.hurry(min(self.waits.until_s, max(until_s, time.monotonic() + _LEAST_S)))
        return wire

    def _send_all(self, stop: Stop, commands: Sequence[Command], until_s: float) -> StoreError | None:
        """Write commands to one node; return what kept that from happening."""
        if (silent := self.passed_by.get(stop.place)) is not None:
            self.unreached = silent
            return silent
        asked = [part for command in commands for part in (ASKING, command)] if stop.is_for_once else commands
        try:
            self._hurried(stop, until_s).send(*asked)
        except StoreError as error:
            return self._missed(stop, error)
        return None

    def _read_all(self, stop: Stop, count: int, until_s: float) -> list[Any]:
        wire, replies = self._hurried(stop, until_s), list[Any]()
        try:
            for _ in range(count):
                if stop.is_for_once:
                    wire.reply()
                replies.append(wire.reply())
                wire.waits.hurry(min(self.waits.until_s, time.monotonic() + self.waits.step_s))
        except StoreError as error:
            replies += [self._missed(stop, error)] * (count - len(replies))
        return replies

    def _missed(self, stop: Stop, error: StoreError) -> StoreError:
        self._slots.doubt(stop.place)
        self.unreached = error
        if self.waits.are_short:
            self.passed_by[stop.place] = error
        return error


class NodeWire(Wire):
    """A connection to one node. ``is_replaced``: asks the others whether it has no slots any more."""

    def __init__(self, address: Address, is_replaced: Callable[[], bool], *, timeout_s: float, name: str) -> None:
        super().__init__(address, timeout_s=timeout_s, name=name)
        self._is_replaced = is_replaced

    def _fill(self) -> None:
        until_s = time.monotonic() + self.waits.step_s
        while self.connected and not self.poll(min(_SILENCE_S, max(0.0, until_s - time.monotonic()))):
            if time.monotonic() >= until_s:
                self.close()
                raise unavailable(self.address, TimeoutError(), unanswered=True)
            if self._is_replaced():
                self.close()
                what = f"Redis at {self.address} did not answer, and another node has taken over from it"
                raise StoreUnavailable(what, unanswered=True)
        super()._fill()


class NodeWaits:
    """How long the waits at each node may take, see `sockets.Waits`."""

    def __init__(self, wires: NodeWires, timeout_s: float) -> None:
        self.until_s = self.most_s = math.inf
        self._wires = wires
        self._timeout_s = timeout_s

    def shorten(self, most_s: float) -> None:
        """Do what `sockets.Waits.shorten` does, in each round over the nodes.

        Until there is time again a node that was silent for so long is not asked any more.
        """
        self.most_s = most_s
        self._wires.passed_by.clear()
        for wire in self._wires.all:
            wire.waits.shorten(most_s)

    @property
    def are_short(self) -> bool:
        """Whether steps have less than their time."""
        return self.most_s < self._timeout_s

    def hurry(self, until_s: float) -> None:
        """Have what comes next end by then, seconds of the monotonic clock; infinity: each step has its time again."""
        self.until_s = until_s
        for wire in self._wires.all:
            wire.waits.hurry(until_s)

    @property
    def step_s(self) -> float:
        """How long the next step may take."""
        return max(0.001, min(self._timeout_s, self.most_s, self.until_s - time.monotonic()))
