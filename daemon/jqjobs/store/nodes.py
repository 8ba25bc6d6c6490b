"""The connections of one thread to the nodes of a cluster: to a `Store` what `wire.Wire` is, to one server.

There is a `Wire` to each node that was needed. Commands go by their keys (`routes`); what goes to several nodes is sent
to all of them before any is waited for. No hidden retry but what a node sends on to another: that one was not run.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from jqjobs.errors import ScriptMissing, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.clusters import OF_NO_QUEUE, slot_of
from jqjobs.store.routes import ASKING, Batch, Command, Stop, guarded, hops, tag_of
from jqjobs.store.sentinels import Place
from jqjobs.store.slot_map import redirect_of, slot_map_of
from jqjobs.store.wire import Argument, Whole, Wire, raise_first, raised, to_node_of


class Nodes:
    """Connections that are made on first use and again after an error. Not for several threads at once."""

    def __init__(self, address: Address, *, timeout_s: float = 5.0, name: str = "jqjobs") -> None:
        assert address.cluster is not None
        self.address = address
        self.waits = NodeWaits(self, timeout_s)
        #: As of `Wire`.
        self.looked_s = 0.0
        self.whole = Whole(self)
        self._timeout_s = timeout_s
        self._name = name
        self._slots = slot_map_of(address.cluster)
        self._to_node = to_node_of(address)
        self._wires: dict[Place, Wire] = {}
        #: What `send` has sent and `reply` has not read yet.
        self._sent: deque[tuple[Command, Place]] = deque()
        #: Why a node could not be reached just now.
        self._unreached: StoreError | None = None

    @property
    def connections(self) -> Sequence[Wire]:
        """All there are."""
        return list(self._wires.values())

    @property
    def connected(self) -> bool:
        """Whether there is a connection to any node."""
        return any(wire.connected for wire in self._wires.values())

    @property
    def primaries(self) -> frozenset[Place]:
        """The nodes that have slots, as far as is known."""
        return self._slots.primaries

    def connect(self) -> None:
        """Connect to the node of what belongs to no queue. Raises: what `Wire.connect` raises."""
        self._look()
        self._wire(self._slots.owner(slot_of(OF_NO_QUEUE))).connect()

    def close(self) -> None:
        """Drop all connections."""
        self._sent.clear()
        while self._wires:
            self._wires.popitem()[1].close()

    def call(self, *command: Argument) -> Any:
        """Do what `Wire.call` does. EXISTS may name keys of several queues: what each node has of them is added up."""
        if command[0] == "EXISTS":
            keys = sorted(map(str, command[1:]), key=lambda key: key.partition("}")[0])
            parts = [("EXISTS", *same) for _, same in groupby(keys, lambda key: key.partition("}")[0])]
            return sum(raise_first(self.pipeline(parts)))
        return raised(self.pipeline([command])[0])

    def call_packed(self, packed: bytes) -> Any:
        """Raise ScriptMissing: what is packed does not say where it is to go, so it is sent by `call`."""
        raise ScriptMissing("nothing was sent")

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Do what `Wire.pipeline` does. Raises: also when only one of the nodes cannot be reached."""
        replies = self.pipeline_in_parts(commands)
        if self._unreached is not None:
            raise self._unreached
        return replies

    def pipeline_in_parts(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Do the same, with the error in place of all replies of a node that cannot be reached."""
        self._unreached = None
        steps, found = hops(commands, self._slots), None
        with self.whole:
            while True:
                self._look()
                try:
                    batch = steps.send(found)  # type: ignore[arg-type]  # the first time None
                except StopIteration as end:
                    replies: list[Any] = end.value
                    return replies
                found = self._ask(batch)

    def call_each(self, *command: Argument) -> list[Any]:
        """Ask each primary, all at once; an error is the reply of one that refuses, or cannot be reached."""
        with self.whole:
            self._look()
            stops: Batch = {Stop(place): [command] for place in sorted(self.primaries)}
            return [reply for replies in self._ask(stops).values() for reply in replies]

    def send(self, command: Sequence[Argument]) -> None:
        """Write one command without waiting for its reply, which `reply` reads."""
        self._look()
        tag = tag_of(command)
        place = self._slots.owner(slot_of(OF_NO_QUEUE if tag is None else tag))
        try:
            self._wire(place).send(guarded(command))
        except StoreError:
            self._slots.doubt(place)
            raise
        self._sent.append((command, place))

    def reply(self) -> Any:
        """Wait for one reply and return it, also when it is an error. Raises: StoreUnavailable."""
        if not self._sent:
            raise StoreUnavailable(f"no connection to Redis at {self.address}")
        command, place = self._sent.popleft()
        try:
            reply = self._wire(place).reply()
        except StoreError:
            self._slots.doubt(place)
            raise
        redirect = redirect_of(reply, place)
        if redirect is None:
            return reply
        self._slots.note(redirect)
        return self.pipeline_in_parts([command])[0]

    def _ask(self, batch: Batch) -> dict[Stop, list[Any]]:
        """Send all, then read all."""
        sent = {stop: self._send_all(stop, commands) for stop, commands in batch.items()}
        return {
            stop: self._read_all(stop, len(commands)) if sent[stop] is None else [sent[stop]] * len(commands)
            for stop, commands in batch.items()
        }

    def _send_all(self, stop: Stop, commands: Sequence[Command]) -> StoreError | None:
        """Write commands to one node; return what kept that from happening."""
        asked = [part for command in commands for part in (ASKING, command)] if stop.is_for_once else commands
        try:
            self._wire(stop.place).send(*asked)
        except StoreError as error:
            return self._missed(stop, error)
        return None

    def _read_all(self, stop: Stop, count: int) -> list[Any]:
        wire, replies = self._wire(stop.place), list[Any]()
        try:
            for _ in range(count):
                if stop.is_for_once:
                    wire.reply()
                replies.append(wire.reply())
        except StoreError as error:
            replies += [self._missed(stop, error)] * (count - len(replies))
        return replies

    def _missed(self, stop: Stop, error: StoreError) -> StoreError:
        self._slots.doubt(stop.place)
        self._unreached = error
        return error

    def _look(self) -> None:
        """Have the map of slots right, as far as anybody knows; leave nodes that have none any more."""
        if self._slots.is_doubted:
            self._slots.look(self._to_node, self.waits.step_s)
            for place in self._wires.keys() - self._slots.primaries:
                self._wires.pop(place).close()

    def _wire(self, place: Place) -> Wire:
        wire = self._wires.get(place)
        if wire is None:
            wire = self._wires[place] = Wire(self.address.node(place), timeout_s=self._timeout_s, name=self._name)
            wire.waits.hurry(self.waits.until_s)
        return wire


class NodeWaits:
    """How long the waits at each node may take, see `sockets.Waits`."""

    def __init__(self, nodes: Nodes, timeout_s: float) -> None:
        self.until_s = math.inf
        self._nodes = nodes
        self._timeout_s = timeout_s

    def hurry(self, until_s: float) -> None:
        """Have what comes next end by then, seconds of the monotonic clock; infinity: each step has its time again."""
        self.until_s = until_s
        for wire in self._nodes.connections:
            wire.waits.hurry(until_s)

    @property
    def step_s(self) -> float:
        """How long the next step may take."""
        return max(0.001, min(self._timeout_s, self.until_s - time.monotonic()))


#: The connections of a `Store`.
Connections = Wire | Nodes


def connections_to(address: Address, *, timeout_s: float, name: str) -> Connections:
    """Return one to a server, or those to the nodes of a cluster."""
    return (Nodes if address.cluster else Wire)(address, timeout_s=timeout_s, name=name)
