"""A primary, two replicas and three sentinels on the loopback: killed, frozen, told to change places.

deployment = Deployment(directory)      # serves when that returns
deployment.kill(deployment.primary())   # a server, by its port
deployment.start(port)                  # again; the sentinels make it a replica
"""

from __future__ import annotations

import time
from pathlib import Path

from deployments.ports import free_port
from deployments.servers import Servers, eventually

SERVICE = "mymaster"
_SENTINEL = """port {port}
bind 127.0.0.1
dir {directory}
sentinel monitor {service} 127.0.0.1 {primary} 2
sentinel down-after-milliseconds {service} {down_after_ms}
sentinel failover-timeout {service} 10000
sentinel parallel-syncs {service} 1
"""


class Deployment(Servers):
    """Six of them."""

    def __init__(self, directory: Path, *, replicas: int = 2, down_after_ms: int = 1000) -> None:
        super().__init__(directory, "redis-server")
        self.servers = [free_port() for _ in range(1 + replicas)]
        self.sentinels = [free_port() for _ in range(3)]
        #: Behind the URL: `?…`.
        self.options = ""
        first, *others = self.servers
        try:
            for port in self.servers:
                self.start(port, first if port in others else None)
            for port in self.sentinels:
                self._start_sentinel(port, first, down_after_ms)
            self.wait_until_whole()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """What JQ_REDIS_URL says."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self.sentinels)}/{SERVICE}{self.options}"

    def start(self, port: int, primary: int | None = None) -> None:
        """Start a server (again); it loads what it has."""
        follows = {} if primary is None else {"replicaof": f"127.0.0.1 {primary}"}
        self.start_redis(port, {"repl-backlog-size": "64mb", **follows})
        self.wait_for_answer(port)

    def _start_sentinel(self, port: int, primary: int, down_after_ms: int) -> None:
        config = self.place(port) / "sentinel.conf"
        config.write_text(_SENTINEL.format(
            port=port, directory=config.parent, service=SERVICE, primary=primary, down_after_ms=down_after_ms
        ))  # fmt: skip
        self.start_with(port, [str(config), "--sentinel"])
        self.wait_for_answer(port)

    def primary(self) -> int:
        """Return the port of the primary, as the first sentinel knows it."""
        return self.named_by(self.sentinels[0])

    def named_by(self, sentinel: int) -> int:
        """Return the port of the primary, as one sentinel knows it."""
        return int(self.ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def replicas(self) -> list[int]:
        """Return the ports of the other servers."""
        primary = self.primary()
        return [port for port in self.servers if port != primary]

    def fail_over(self) -> None:
        """Tell the sentinels to choose another primary; the one before lives on."""
        self.ask(self.sentinels[0], "SENTINEL", "FAILOVER", SERVICE)

    def wait_for_primary_but(self, port: int) -> float:
        """Wait until any sentinel names another primary; return when that was, seconds of the monotonic clock."""
        eventually(lambda: any(self.named_by(one) != port for one in self.sentinels), "another primary is chosen")
        return time.monotonic()

    def wait_until_whole(self) -> None:
        """Wait until all sentinels name one primary and know each other, and all other servers follow it."""
        eventually(self._is_whole, "primary, replicas and sentinels know each other")

    def _is_whole(self) -> bool:
        primaries = {self.named_by(port) for port in self.sentinels}
        if len(primaries) != 1 or not all(self._knows_all(port) for port in self.sentinels):
            return False
        role, _, replicas = self.ask(primaries.pop(), "ROLE")
        if role != b"master" or len(replicas) != len(self.servers) - 1:
            return False
        links = [self.ask(port, "INFO", "replication") for port in self.replicas()]
        return all(b"master_link_status:up" in link for link in links)

    def _knows_all(self, sentinel: int) -> bool:
        told = self.ask(sentinel, "SENTINEL", "MASTER", SERVICE)
        facts = dict(zip(told[::2], told[1::2], strict=True))
        replicas = str(len(self.servers) - 1).encode()
        return (facts[b"flags"], facts[b"num-slaves"], facts[b"num-other-sentinels"]) == (b"master", replicas, b"2")
