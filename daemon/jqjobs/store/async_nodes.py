"""Connections to the nodes of a cluster for one call at a time: what `nodes` is to a thread. No hidden retry."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from jqjobs.errors import StoreError
from jqjobs.store.address import Address
from jqjobs.store.async_wire import AsyncWire
from jqjobs.store.routes import ASKING, Batch, Command, Stop, complete, hops
from jqjobs.store.sentinels import Place
from jqjobs.store.slot_map import slot_map_of
from jqjobs.store.wire import Argument, raised, to_node_of


class AsyncNodes:
    """Connections that are made on first use and again after an error. One command, or pipeline, at a time."""

    def __init__(self, address: Address, *, timeout_s: float = 5.0, name: str = "jqjobs") -> None:
        assert address.cluster is not None
        self.address = address
        #: As of `AsyncWire`.
        self.until_s = math.inf
        self._timeout_s = timeout_s
        self._name = name
        self._slots = slot_map_of(address.cluster)
        self._wires: dict[Place, AsyncWire] = {}

    @property
    def connected(self) -> bool:
        """Whether there is a connection to any node."""
        return any(wire.connected for wire in self._wires.values())

    async def call(self, *command: Argument) -> Any:
        """Do what `AsyncWire.call` does."""
        return raised((await self.pipeline([command]))[0])

    async def pipeline(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Do what `AsyncWire.pipeline` does. Raises: also when only a part of the replies is missing."""
        steps, found = hops(commands, self._slots), None
        while True:
            if self._slots.is_doubted:  # on a thread: a node that is gone takes its time
                await asyncio.to_thread(self._slots.look, to_node_of(self.address), self._timeout_s)
            try:
                batch = steps.send(found)  # type: ignore[arg-type]  # the first time None
            except StopIteration as end:
                return complete(end.value)
            found = await self._ask(batch)

    async def _ask(self, batch: Batch) -> dict[Stop, list[Any]]:
        return {stop: await self._ask_one(stop, commands) for stop, commands in batch.items()}

    async def _ask_one(self, stop: Stop, commands: Sequence[Command]) -> list[Any]:
        wire = self._wire(stop.place)
        try:
            if not stop.is_for_once:
                return await wire.pipeline(commands)
            return (await wire.pipeline([part for command in commands for part in (ASKING, command)]))[1::2]
        except StoreError:
            self._slots.doubt(stop.place)
            raise

    def _wire(self, place: Place) -> AsyncWire:
        wire = self._wires.get(place)
        if wire is None:
            wire = AsyncWire(self.address.node(place), timeout_s=self._timeout_s, name=self._name)
            self._wires[place] = wire
        wire.until_s = self.until_s
        return wire

    async def freshen(self) -> None:
        """Do what `AsyncWire.freshen` does, with all of them."""
        for wire in self._wires.values():
            wire.until_s = self.until_s
            await wire.freshen()

    def close(self) -> None:
        """Drop all connections."""
        while self._wires:
            self._wires.popitem()[1].close()

    async def aclose(self) -> None:
        """Drop all connections, and wait until they are gone."""
        while self._wires:
            await self._wires.popitem()[1].aclose()
