"""The connections of one thread to the nodes of a cluster: to a `Store` what `wire.Wire` is, to one server.

Commands go by their keys (`routes`), over the `Wire` to each node that was needed (`node_wires`). No hidden retry but
what a node sends on to another: that one was not run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from jqjobs.errors import ScriptMissing, StoreBusy, StoreError, StoreUnavailable
from jqjobs.store.address import Address
from jqjobs.store.clusters import OF_NO_QUEUE, slot_of
from jqjobs.store.node_wires import NodeWires
from jqjobs.store.routes import Command, Stop, complete, guarded, hops, tag_of
from jqjobs.store.sentinels import Place
from jqjobs.store.slot_map import redirect_of, slot_map_of
from jqjobs.store.wire import Argument, Whole, Wire, raise_first, raised


class Nodes:
    """Connections that are made on first use and again after an error. Not for several threads at once."""

    def __init__(self, address: Address, *, timeout_s: float = 5.0, name: str = "jqjobs") -> None:
        assert address.cluster is not None
        self.address = address
        self._slots = slot_map_of(address.cluster)
        self._wires = NodeWires(address, self._slots, timeout_s=timeout_s, name=name)
        #: These three as of `Wire`.
        self.waits = self._wires.waits
        self.looked_s = 0.0
        self.whole = Whole(self)
        #: What `send` has sent and `reply` has not read yet.
        self._sent: deque[tuple[Command, Place]] = deque()

    @property
    def connections(self) -> Sequence[Wire]:
        """All there are."""
        return self._wires.all

    @property
    def connected(self) -> bool:
        """Whether there is a connection to any node."""
        return any(wire.connected for wire in self._wires.all)

    def connect(self) -> None:
        """Connect to the node of what belongs to no queue. Raises: what `Wire.connect` raises."""
        self._wires.look()
        self._wires.to(self._slots.owner(slot_of(OF_NO_QUEUE))).connect()

    def close(self) -> None:
        """Drop all connections."""
        self._sent.clear()
        self._wires.close()

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
        """Do what `Wire.pipeline` does. Raises: also when only a part of the replies is missing."""
        replies = self.pipeline_in_parts(commands)
        if self._wires.unreached is not None:
            raise self._wires.unreached
        return complete(replies)

    def pipeline_in_parts(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Do the same, with the error in place of all replies of a node that cannot be reached."""
        self._wires.unreached = None
        steps, found = hops(commands, self._slots), None
        with self.whole:
            while True:
                self._wires.look()
                try:
                    batch = steps.send(found)  # type: ignore[arg-type]  # the first time None
                except StopIteration as end:
                    replies: list[Any] = end.value
                    return replies
                found = self._wires.ask(batch)

    def primaries(self) -> Sequence[Place]:
        """Return the nodes that have slots, in an order that stays. Raises: StoreError when none tells."""
        self._wires.look()
        return sorted(self._slots.primaries)

    def place_of(self, command: Command) -> Place | None:
        """Return the node that a command goes to, None where that is not known yet."""
        try:
            return self._owner(command)
        except StoreBusy:
            return None

    def _owner(self, command: Command) -> Place:
        tag = tag_of(command)
        return self._slots.owner(slot_of(OF_NO_QUEUE if tag is None else tag))

    def call_at(self, places: Sequence[Place], command: Command) -> dict[Place, Any]:
        """Ask these nodes, all at once; an error is the reply of one that refuses, or cannot be reached."""
        with self.whole:
            found = self._wires.ask({Stop(place): [command] for place in places})
        return {stop.place: replies[0] for stop, replies in found.items()}

    def send(self, command: Sequence[Argument]) -> None:
        """Write one command without waiting for its reply, which `reply` reads."""
        self._wires.look()
        place = self._owner(command)
        try:
            self._wires.to(place).send(guarded(command))
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
            reply = self._wires.to(place).reply()
        except StoreError:
            self._slots.doubt(place)
            raise
        redirect = redirect_of(reply, place)
        if redirect is None:
            return reply
        self._slots.note(redirect)
        return self.pipeline_in_parts([command])[0]


#: The connections of a `Store`.
Connections = Wire | Nodes


def connections_to(address: Address, *, timeout_s: float, name: str) -> Connections:
    """Return one to a server, or those to the nodes of a cluster."""
    return (Nodes if address.cluster else Wire)(address, timeout_s=timeout_s, name=name)
