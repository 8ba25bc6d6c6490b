"""A slow link: passes bytes on between clients and a server, each direction so many ms later.

python proxy.py SERVER_URL DELAY_MS      # prints the port it listens on

One loop. What arrives is stamped and queued, so nothing waits for what came before it: the delay is a delay, not a
limit on throughput. All delays are equal, so one queue in order of arrival is in order of departure too.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections import deque

from jqjobs.store.address import Address, open_socket, parse_url

_READ_BYTES = 1 << 18


class Link:
    """The connections of one proxy."""

    def __init__(self, server: Address, delay_s: float) -> None:
        self._server, self._delay_s = server, delay_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._peers: dict[socket.socket, socket.socket] = {}
        #: moment of departure, where to, what; empty bytes end the connection
        self._under_way: deque[tuple[float, socket.socket, bytes]] = deque()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def run(self) -> None:
        """Pass on for ever."""
        while True:
            wait_s = max(0.0, self._under_way[0][0] - time.monotonic()) if self._under_way else None
            # select and not epoll: its timeout has microseconds, the other one's whole milliseconds.
            readable, _, _ = select.select([self._listener, *self._peers], [], [], wait_s)
            for source in readable:
                if source is self._listener:
                    self._accept()
                elif source in self._peers:
                    self._read(source)
            self._depart()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upstream = open_socket(self._server, 60)
        self._peers[client], self._peers[upstream] = upstream, client

    def _read(self, source: socket.socket) -> None:
        try:
            data = source.recv(_READ_BYTES)
        except OSError:
            data = b""
        self._under_way.append((time.monotonic() + self._delay_s, self._peers[source], data))
        if not data:
            del self._peers[source]

    def _depart(self) -> None:
        now = time.monotonic()
        while self._under_way and self._under_way[0][0] <= now:
            _, sink, data = self._under_way.popleft()
            try:
                sink.sendall(data) if data else sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it is gone; its own end of file follows, or has been read


def main() -> None:
    """Listen, say where, and pass on."""
    link = Link(parse_url(sys.argv[1]), float(sys.argv[2]) / 1000)
    print(link.port, flush=True)
    link.run()


if __name__ == "__main__":
    main()
