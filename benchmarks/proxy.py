"""A proxy before Redis with weather: it delays, loses replies, falls silent, refuses and cuts connections.

python proxy.py SERVER_URL DELAY_MS      # prints the port it listens on; nothing but a slow link

One loop, one thread. What arrives is stamped and queued, so nothing waits for what came before it: the delay is a
delay, not a limit on throughput. Used by the benchmark of a slow link, by the chaos campaign and by end-to-end tests.
"""

from __future__ import annotations

import random
import select
import socket
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass

from jqjobs.store.address import Address, parse_url
from jqjobs.store.sockets import open_socket

_READ_BYTES = 1 << 18
#: How soon it notices that the weather has changed.
_LOOK_S = 0.05
#: A peer that takes nothing for so long is cut off; the others go on.
_STUCK_S = 5.0


@dataclass
class Weather:
    """What happens to connections; may change at any time.

    ``loss``: the share of replies in whose place the connection ends, when Redis has done what it was told.
    ``silent``: nothing passes and nothing ends, as behind a firewall that forgot a connection; what was sent meanwhile
    arrives later.
    """

    delay_s: float = 0.0
    loss: float = 0.0
    silent: bool = False
    refuses: bool = False


class Proxy:
    """The connections to one server. ``lost``: replies that nobody heard."""

    def __init__(self, server: Address, weather: Weather | None = None, *, seed: int = 1) -> None:
        self.weather = weather or Weather()
        self.lost = 0
        self._server = server
        self._rng = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._peers: dict[socket.socket, socket.socket] = {}
        self._upstreams: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        #: Moment of departure, where to, what; empty bytes end the connection.
        self._under_way: deque[tuple[float, socket.socket, bytes]] = deque()
        self._is_to_cut = self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> Proxy:
        """Run in a thread of its own until `close`."""
        self._thread = threading.Thread(target=self.run, name="proxy", daemon=True)
        self._thread.start()
        return self

    def cut(self) -> None:
        """End all connections there are."""
        self._is_to_cut = True

    def move(self, server: Address) -> None:
        """Lead new connections to another server; those there are stay, as with a forwarder or a DNS name."""
        self._server = server

    def forget(self) -> None:
        """Let the connections there are stand, and pass nothing over them, as a NAT that has forgotten them does."""
        self._forgotten = set(self._peers)

    def close(self) -> None:
        """End everything."""
        self._is_closed = True
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """Pass on until `close`."""
        while not self._is_closed:
            # select and not epoll: its timeout has microseconds, the other one's whole milliseconds.
            readable, _, _ = select.select(self._sources(), [], [], self._wait_s())
            for source in readable:
                if source is self._listener:
                    self._accept()
                elif source in self._peers:
                    self._read(source)
            if self._is_to_cut:
                self._is_to_cut = False
                self._end_all()
            if not self.weather.silent:
                self._depart()
        self._end_all()
        self._listener.close()

    def _sources(self) -> list[socket.socket]:
        return [self._listener] if self.weather.silent else [self._listener, *(set(self._peers) - self._forgotten)]

    def _wait_s(self) -> float:
        if self.weather.silent or not self._under_way:
            return _LOOK_S
        return min(_LOOK_S, max(0.0, self._under_way[0][0] - time.monotonic()))

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            if self.weather.refuses:
                raise ConnectionRefusedError
            upstream = open_socket(self._server, _STUCK_S)
        except OSError:
            client.close()
            return
        client.settimeout(_STUCK_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers[client], self._peers[upstream] = upstream, client
        self._upstreams.add(upstream)

    def _read(self, source: socket.socket) -> None:
        sink = self._peers[source]
        try:
            data = source.recv(_READ_BYTES)
        except OSError:
            data = b""
        if data and source in self._upstreams and self._rng.random() < self.weather.loss:
            self.lost += 1
            self._end(source)
            return
        self._under_way.append((self._departure(), sink, data))
        if not data:
            del self._peers[source]  # not to be read again; it is closed when what it has sent has arrived

    def _departure(self) -> float:
        at = time.monotonic() + self.weather.delay_s
        return max(at, self._under_way[-1][0]) if self._under_way else at  # nobody overtakes when the weather improves

    def _depart(self) -> None:
        now = time.monotonic()
        while self._under_way and self._under_way[0][0] <= now:
            _, sink, data = self._under_way.popleft()
            try:
                if data:
                    sink.sendall(data)
                    continue
            except OSError:
                pass
            self._end(sink)

    def _end(self, source: socket.socket) -> None:
        """End a connection in both directions, at once."""
        for end in (source, self._peers.get(source)):
            if end is not None:
                self._peers.pop(end, None)
                self._upstreams.discard(end)
                end.close()

    def _end_all(self) -> None:
        for source in list(self._peers):
            self._end(source)
        self._under_way.clear()


def main() -> None:
    """Listen, say where, and pass on."""
    proxy = Proxy(parse_url(sys.argv[1]), Weather(delay_s=float(sys.argv[2]) / 1000))
    print(proxy.port, flush=True)
    proxy.run()


if __name__ == "__main__":
    main()
