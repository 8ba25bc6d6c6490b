"""A proxy before Redis that loses replies: the server has done what it was told, and nobody hears of it.

Owns one unix socket and two threads for each connection; ends with `close`. Used by test_redis_outage.py.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from pathlib import Path

from servers import Server


class LossyProxy:
    """Relays connections; cuts one instead of passing a reply on, with probability ``loss``."""

    def __init__(self, server: Server, path: Path, *, loss: float, seed: int = 1) -> None:
        self.url = f"unix://{path}"
        self.lost = 0
        self.loss = loss
        self._server = server
        self._rng = random.Random(seed)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(100)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Take no more connections, and end when the present ones have: their clients are gone by now."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = self._server.connect(timeout_s=60)
                for source, sink, may_lose in ((client, upstream, False), (upstream, client, True)):
                    thread = threading.Thread(target=self._relay, args=(source, sink, may_lose), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _relay(self, source: socket.socket, sink: socket.socket, may_lose: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if may_lose and self._rng.random() < self.loss:
                    self.lost += 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()  # each thread closes what it read from; the other one closes the other end
