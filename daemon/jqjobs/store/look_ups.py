"""Looks the name of a host up within a time, which getaddrinfo(3) has not: where servers of names say nothing it stands
for half a minute, and that for each domain that is searched (resolv.conf(5)).

So a thread asks, and whoever wants to know waits for it as long as he may. However many want to know, a name is asked
for once at a time; of a question that stands for long no answer is expected, though another one may have it at once.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

#: Family, kind, protocol, canonical name and address of a place, as `socket.getaddrinfo` returns them.
Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

#: An answer takes milliseconds; a server that is not there is asked again after 5 s, and meanwhile may be there.
_STALE_S = 2.0


def look_up(host: str, port: int, until_s: float) -> Sequence[Found]:
    """Return all that a name or a number stands for. ``until_s``: how long that may take, of the monotonic clock.

    Raises: OSError, ValueError.
    """
    try:
        return _ask(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # it is a name
    name = os.getpid(), host, port  # threads do not outlive a fork
    found = _under_way.get(name)
    if found is None or found.is_stale:
        found = _under_way[name] = _LookUp(name)
        found.begin()
    return found.wait(until_s)


def _ask(host: str, port: int, flags: int = 0) -> Sequence[Found]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)


class _LookUp(threading.Thread):
    def __init__(self, name: tuple[int, str, int]) -> None:
        super().__init__(name="jqjobs-look-up", daemon=True)
        self._of = name
        self._found: Sequence[Found] = []
        self._error: Exception | None = None
        self._is_over = threading.Event()
        self._began_s = time.monotonic()

    @property
    def is_stale(self) -> bool:
        """Whether it is better to ask again."""
        return time.monotonic() - self._began_s > _STALE_S

    def begin(self) -> None:
        try:
            self.start()
        except RuntimeError:  # there may be no more threads
            self.run()

    def run(self) -> None:
        _, host, port = self._of
        try:
            self._found = _ask(host, port)
        except Exception as error:
            self._error = error
        finally:
            self._is_over.set()
            if _under_way.get(self._of) is self:
                _under_way.pop(self._of, None)

    def wait(self, until_s: float) -> Sequence[Found]:
        if not self._is_over.wait(max(0.0, until_s - time.monotonic())):
            raise socket.gaierror(socket.EAI_AGAIN, "the look-up of its name takes too long")
        if self._error is not None:
            raise self._error
        return self._found


_under_way: dict[tuple[int, str, int], _LookUp] = {}
