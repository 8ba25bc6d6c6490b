"""Counts what a server is asked for: the commands that clients send, and those that scripts run."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from itertools import count

from jqjobs.store.address import parse_url
from jqjobs.store.sockets import open_socket


class Monitor:
    """Counts while the block runs."""

    @classmethod
    def per_second(cls, url: str, seconds: float) -> tuple[float, float]:
        """Return the commands a second that clients send, and those that scripts run, for so long from now on."""
        with cls(url) as monitor:
            time.sleep(seconds)
            return monitor.sent / seconds, monitor.inside / seconds

    def __init__(self, url: str) -> None:
        self._socket = open_socket(parse_url(url), 60)
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._marks, self._mark, self._is_seen = count(), b"", threading.Event()
        self.sent = self.inside = 0

    def __enter__(self) -> Monitor:
        self._socket.sendall(b"MONITOR\r\n")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def catch_up(self, ask: Callable[..., object]) -> None:
        """Wait until all is counted that was sent by now. ``ask``: sends a command of another connection."""
        self._mark = b"counted-to-%d" % next(self._marks)
        self._is_seen.clear()
        while not self._is_seen.wait(0.05):
            ask("ECHO", self._mark)

    def _count(self) -> None:
        for line in self._socket.makefile("rb"):
            if b'"ECHO" "counted-to-' in line:
                if b'"%b"' % self._mark in line:
                    self._is_seen.set()
                continue
            is_inside = b" lua]" in line
            self.inside += is_inside
            self.sent += not is_inside and line != b"+OK\r\n"
