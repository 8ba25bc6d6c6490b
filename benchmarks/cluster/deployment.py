"""Three primaries and a replica of each on the loopback, as one cluster: killed, brought back, slots moved about.

cluster = Cluster(directory)             # serves when that returns
cluster.kill(cluster.owner("emails"))    # the node that has a queue, by its port
cluster.start(port)                      # again; it becomes a replica
cluster.move("emails", to=port)          # its slot, under load
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from deployments.ports import BUS, node_port
from deployments.servers import Servers, eventually
from jqjobs.store.clusters import SLOTS, slot_of

_KEYS_AT_ONCE = 10
#: The node timeout while they get to know each other: the shorter, the more they talk.
_UNITING_MS = 400


class Cluster(Servers):
    """Six of them."""

    def __init__(
        self, directory: Path, binary: str = "redis-server", *, node_timeout_ms: int = 1500,
        certificate: Path | None = None,
    ) -> None:  # fmt: skip
        """``node_timeout_ms``: one silent for so long counts as dead. Otherwise as of `Servers`."""
        super().__init__(directory, binary, certificate)
        self._node_timeout_ms = node_timeout_ms
        self.ports = [node_port() for _ in range(6)]
        try:
            for port in self.ports:
                self._begin(port)
            for port in self.ports:
                self.wait_for_answer(port)
            self._unite()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """What JQ_REDIS_URL says: of its nodes, two."""
        return self.url_of(f"127.0.0.1:{self.ports[0]},127.0.0.1:{self.ports[4]}", "+cluster")

    def _unite(self) -> None:
        """Three have a third of the slots each, three follow."""
        self.be_patient(_UNITING_MS)
        primaries, replicas = self.ports[:3], self.ports[3:]
        bounds = [SLOTS * i // 3 for i in range(4)]
        for i, port in enumerate(primaries):
            self.ask(port, "CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            self.ask(port, "CLUSTER", "ADDSLOTSRANGE", bounds[i], bounds[i + 1] - 1)
        for port in self.ports[1:]:
            self.ask(port, "CLUSTER", "MEET", "127.0.0.1", self.ports[0], self.ports[0] + BUS)
        eventually(lambda: all(len(list(self.nodes(port))) == 6 for port in self.ports), "all nodes know each other")
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
        self.wait_for_answer(port)

    def _begin(self, port: int) -> None:
        self.start_redis(port, {
            "cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-port": str(port + BUS),
            "cluster-node-timeout": str(self._node_timeout_ms), "cluster-require-full-coverage": "no",
        })  # fmt: skip

    def nodes(self, port: int) -> Iterator[tuple[str, int, set[str]]]:
        """Yield the id, port and flags of each node that is there, as one of them knows it."""
        for line in self.ask(port, "CLUSTER", "NODES").decode().splitlines():
            name, place, flags = line.split(" ")[:3]
            if "handshake" not in flags and "noaddr" not in flags:
                yield name, int(place.partition("@")[0].rpartition(":")[2]), set(flags.split(","))

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

    def wait_for_owner_but(self, tag: str, port: int) -> float:
        """Wait until another node has a queue; return when that was, seconds of the monotonic clock."""
        eventually(lambda: self.owner(tag) not in (0, port), "another node has the queue")
        return time.monotonic()

    def wait_until_whole(self) -> None:
        """Wait until all nodes say that all is well, and each primary has a replica that follows."""
        eventually(self._is_whole, "the cluster is whole")

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

    def move_at_once(self, tag: str, to: int) -> None:
        """Move the slot of a queue as Valkey 9 does: its keys are copied, then all are there at once."""
        slot = slot_of(tag)
        name = self.ask(to, "CLUSTER", "MYID")
        self.ask(self.owner(tag), "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", name)
        eventually(lambda: self.owner(tag) == to, "the slot has arrived")
