"""Three primaries and a replica of each on the loopback, as one cluster: killed, brought back, slots moved about.

cluster = Cluster(directory)             # serves when that returns
cluster.kill(cluster.owner("emails"))    # the node that has a queue, by its port
cluster.start(port)                      # again; it becomes a replica
cluster.move("emails", to=port)          # its slot, under load
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from chaos.server import DIE_WITH_PARENT
from jqjobs.errors import StoreError
from jqjobs.store.address import parse_url
from jqjobs.store.clusters import SLOTS, slot_of
from jqjobs.store.wire import Wire

_PATIENCE_S = 30.0
_KEYS_AT_ONCE = 10
#: The node timeout while they get to know each other: the shorter, the more they talk.
_UNITING_MS = 400


class Cluster:
    """Six processes, known by their ports. To be used by a thread that lives as long as they do: they die with it."""

    def __init__(self, directory: Path, binary: str = "redis-server", *, node_timeout_ms: int = 1500) -> None:
        """``binary``: that of Redis or Valkey. ``node_timeout_ms``: one silent for so long counts as dead."""
        self._directory = directory
        self._binary = shutil.which(binary) or binary
        self._node_timeout_ms = node_timeout_ms
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.ports = _free_ports(6)
        try:
            for port in self.ports:
                self._begin(port)
            for port in self.ports:
                self._wait_for_answer(port)
            self._unite()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """What JQ_REDIS_URL says: of its nodes, two."""
        return f"redis+cluster://127.0.0.1:{self.ports[0]},127.0.0.1:{self.ports[4]}"

    def _unite(self) -> None:
        """Three have a third of the slots each, three follow."""
        self.be_patient(_UNITING_MS)
        primaries, replicas = self.ports[:3], self.ports[3:]
        bounds = [SLOTS * i // 3 for i in range(4)]
        for i, port in enumerate(primaries):
            self.ask(port, "CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            self.ask(port, "CLUSTER", "ADDSLOTSRANGE", bounds[i], bounds[i + 1] - 1)
        for port in self.ports[1:]:
            self.ask(port, "CLUSTER", "MEET", "127.0.0.1", self.ports[0], self.ports[0] + 10000)
        _eventually(lambda: all(len(list(self.nodes(port))) == 6 for port in self.ports), "all nodes know each other")
        for primary, replica in zip(primaries, replicas, strict=True):
            self.ask(replica, "CLUSTER", "REPLICATE", self.ask(primary, "CLUSTER", "MYID"))
        self.wait_until_whole()
        self.be_patient(self._node_timeout_ms)

    def be_patient(self, node_timeout_ms: int) -> None:
        """Have all that live take a silent node for dead after so long; until half of it they do not ask it."""
        for port in self.living:
            self.ask(port, "CONFIG", "SET", "cluster-node-timeout", node_timeout_ms)

    def start(self, port: int) -> None:
        """Start a node (again); it loads what it has, and knows the others."""
        self._begin(port)
        self._wait_for_answer(port)

    def _begin(self, port: int) -> None:
        place = self._directory / str(port)
        place.mkdir(exist_ok=True)
        settings = {
            "port": str(port), "bind": "127.0.0.1", "dir": str(place), "save": "", "appendonly": "yes",
            "cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-port": str(port + 10000),
            "cluster-node-timeout": str(self._node_timeout_ms), "cluster-require-full-coverage": "no",
            "repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1",
        }  # fmt: skip
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        with (self._directory / f"{port}.log").open("ab") as output:
            self._processes[port] = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", DIE_WITH_PARENT, self._binary, *words],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def _wait_for_answer(self, port: int) -> None:
        _eventually(lambda: self.ask(port, "PING") in (b"PONG", "PONG"), f"the node at {port} answers")

    def ask(self, port: int, *command: str | int | bytes) -> Any:
        """Return the reply of a node. Raises: StoreError."""
        with closing(Wire(parse_url(f"redis://127.0.0.1:{port}"), timeout_s=5.0, name="deployment")) as wire:
            return wire.call(*command)

    def nodes(self, port: int) -> Iterator[tuple[str, int, set[str]]]:
        """Yield the id, port and flags of each node that is there, as one of them knows it."""
        for line in self.ask(port, "CLUSTER", "NODES").decode().splitlines():
            name, place, flags = line.split(" ")[:3]
            if "handshake" not in flags and "noaddr" not in flags:
                yield name, int(place.partition("@")[0].rpartition(":")[2]), set(flags.split(","))

    @property
    def living(self) -> list[int]:
        """The ports of those that were not killed."""
        return sorted(self._processes)

    def primaries(self) -> list[int]:
        """Return the ports of those that have slots, as one that lives knows it."""
        return sorted({int(part[2][1]) for part in self.ask(self.living[0], "CLUSTER", "SLOTS")})

    def owner(self, tag: str) -> int:
        """Return the port of the node that has a queue, as one that lives knows it."""
        slot = slot_of(tag)
        for first, last, primary, *_ in self.ask(self.living[0], "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(primary[1])
        return 0

    def kill(self, port: int) -> None:
        """End a node as kill -9 does."""
        self._end(port, signal.SIGKILL)

    def wait_for_owner_but(self, tag: str, port: int) -> float:
        """Wait until another node has a queue; return when that was, seconds of the monotonic clock."""
        _eventually(lambda: self.owner(tag) not in (0, port), "another node has the queue")
        return time.monotonic()

    def wait_until_whole(self) -> None:
        """Wait until all nodes say that all is well, and each primary has a replica that follows."""
        _eventually(self._is_whole, "the cluster is whole")

    def _is_whole(self) -> bool:
        if not all(b"cluster_state:ok" in self.ask(port, "CLUSTER", "INFO") for port in self.ports):
            return False
        maps = {str(sorted((a, b, p[1]) for a, b, p, *_ in self.ask(port, "CLUSTER", "SLOTS"))) for port in self.ports}
        primaries = self.primaries()
        links = [self.ask(port, "INFO", "replication") for port in self.ports if port not in primaries]
        followed = [self.ask(port, "INFO", "replication") for port in primaries]
        return (
            len(maps) == 1 and len(primaries) == 3 and all(b"master_link_status:up" in link for link in links)
            and all(b"connected_slaves:1" in info for info in followed)
        )  # fmt: skip

    def move(self, tag: str, to: int) -> None:
        """Move the slot of a queue as redis-cli does, key after key; while that goes on, it is in two places."""
        slot, source = slot_of(tag), self.owner(tag)
        ids = {port: self.ask(port, "CLUSTER", "MYID") for port in (source, to)}
        self.ask(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to])
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, _KEYS_AT_ONCE):
            self.ask(source, "MIGRATE", "127.0.0.1", to, "", 0, 5000, "KEYS", *keys)
        for port in (to, source, *(other for other in self.primaries() if other not in (to, source))):
            self.ask(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[to])

    def stop(self) -> None:
        """End all processes, at once: what they have is of no use any more."""
        for port in list(self._processes):
            self._end(port, signal.SIGKILL)

    def _end(self, port: int, number: signal.Signals) -> None:
        process = self._processes.pop(port)
        process.send_signal(number)
        process.wait(_PATIENCE_S)


def _free_ports(count: int) -> list[int]:
    """Return ports that are free, and have a neighbour 10,000 above that is free too: nodes talk there."""
    found: list[int] = []
    while len(found) < count:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = int(listener.getsockname()[1])
        port = port - 20000 if port > 50000 else port
        if port not in found and _is_free(port) and _is_free(port + 10000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _eventually(is_so: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        try:
            if is_so():
                return
        except StoreError:
            pass
        time.sleep(0.05)
    raise TimeoutError(f"not within {_PATIENCE_S:g} s: {what}")
