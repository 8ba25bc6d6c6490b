"""A cluster of three primaries and three replicas, for tests that take it for a server; see `servers.start`.

What concerns a whole server (CONFIG, ACL, SCRIPT, FLUSHALL, KEYS) is said to all primaries.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from cluster.deployment import Cluster
from jqjobs.errors import StoreError
from jqjobs.store.address import parse_url
from jqjobs.store.nodes import Nodes
from jqjobs.store.wire import Argument, Wire

KINDS = ("valkey-cluster", "redis-cluster")
#: A machine with much to do keeps a node silent for seconds; tests that kill one have the others be less patient.
PATIENT_MS, HASTY_MS = 15_000, 1_500
_OF_ALL = ("CONFIG", "ACL", "SCRIPT", "FLUSHALL", "KEYS", "DBSIZE", "PUBSUB")


class ClusterServer:
    """What a test asks of a `servers.Server`."""

    def __init__(self, kind: str, binary: str) -> None:
        self.kind = kind
        self._directory = Path(tempfile.mkdtemp(prefix="jq-cluster-", dir="/tmp"))
        self.nodes = Cluster(self._directory, binary, node_timeout_ms=PATIENT_MS)

    @property
    def url(self) -> str:
        return self.nodes.url

    def call(self, *command: Argument) -> Any:
        """Run a command where its keys are, or on all primaries when it is about the server."""
        with closing(Nodes(parse_url(self.url))) as nodes:
            return ask(nodes, *command)

    def flush(self) -> None:
        """Empty all of it. Cached scripts stay."""
        self.call("FLUSHALL")

    def alive(self) -> bool:
        """Say whether it answers."""
        try:
            return self.call("PING") in (b"PONG", "PONG")
        except StoreError:
            return False

    def restart(self) -> None:
        """Bring back the nodes that a test has killed."""
        for port in set(self.nodes.ports) - set(self.nodes.living):
            self.nodes.start(port)
        self.nodes.wait_until_whole()
        self.nodes.be_patient(PATIENT_MS)

    def stop(self) -> None:
        """End it and remove its directory."""
        self.nodes.stop()
        shutil.rmtree(self._directory, ignore_errors=True)


def ask(nodes: Nodes, *command: Argument) -> Any:
    """Run a command where its keys are, or on all primaries when it is about the server."""
    if command[0] not in _OF_ALL:
        return nodes.call(*command)
    replies = [_ask_one(Wire(nodes.address.node(place)), command) for place in nodes.primaries()]
    if command[0] == "KEYS":
        return [key for reply in replies for key in reply]
    if command[0] == "PUBSUB":
        return [replies[0][0], sum(count for _, count in replies)]
    return sum(replies) if command[0] == "DBSIZE" else replies[0]


def _ask_one(wire: Wire, command: tuple[Argument, ...]) -> Any:
    with closing(wire):
        return wire.call(*command)
