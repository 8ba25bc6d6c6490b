"""Ends connections to a server that is the primary no longer, as soon as a sentinel says so.

A primary that was replaced may live on, and take jobs that nobody is going to run; one that is frozen keeps whoever
waits for it. So a thread hears of each switch, and cuts the connections to all other servers: whoever uses one finds
it broken, and looks the primary up. There is one thread a process and service, while connections are made and used.

    sentinel 1 ─┐
    sentinel 2 ─┼▶ +switch-master ─▶ cut()  of each connection that is elsewhere
    sentinel 3 ─┘
"""

from __future__ import annotations

import math
import os
import selectors
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol
from weakref import WeakSet

from jqjobs.errors import StoreBusy, StoreError
from jqjobs.store.primary import Connect, Line, Primary
from jqjobs.store.sentinels import Place, Sentinels, place_text

_CHANNEL = "+switch-master"
#: So often is looked whether anybody is connected, and whether all sentinels are heard.
_TURN_S = 1.0
#: How long a sentinel has to answer, and how long one that did not is left alone.
_PATIENCE_S, _AGAIN_S = 1.0, 5.0
#: Who has said nothing for so long is asked for a sign of life, and given up when none comes.
_PING_AFTER_S = 10.0
#: Within this time after a switch the sentinels have made the primary before a replica, if it lives.
_CONVERTED_S = 15.0


class Connection(Protocol):
    """A connection to the primary, or to a server that was one when it was made."""

    #: Where it leads, or is about to; None: nowhere.
    place: Place | None

    def cut(self) -> None:
        """Have whoever uses it find it broken, whoever makes it too: it leads nowhere. Called from another thread."""
        ...


class Subscribed(Line, Protocol):
    """A connection to a sentinel that speaks unasked."""

    def pipeline(self, commands: Sequence[tuple[str, ...]]) -> list[Any]:
        """Send commands together and return their replies."""
        ...

    def send(self, command: tuple[str, ...]) -> None:
        """Write one command without waiting for its reply."""
        ...

    def arrived(self, wait_s: float) -> list[Any]:
        """Return what is here by then. Raises: StoreError when the connection has ended."""
        ...

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        ...


class Switches:
    """The primary of one service, and who is connected to it. One per process, see `switches_of`; for any thread."""

    def __init__(self, sentinels: Sentinels) -> None:
        self._primary = Primary(sentinels)
        self._connections: WeakSet[Connection] = WeakSet()
        self._lock = threading.Lock()
        self._ear: _Ear | None = None
        #: The last primary that we heard of unasked, and how many there were.
        self._told: Place | None = None
        self._told_s = -math.inf
        self._moves = 0

    def lead(self, connection: Connection, connect: Connect, timeout_s: float) -> Place:
        """Return where the primary is, and have the connection cut when it moves.

        ``connect``: makes connections to sentinels, `Subscribed` ones. Raises: StoreUnavailable, StoreRefused.
        """
        moves = self._moves
        place = connection.place = self._primary.find(connect, timeout_s)
        with self._lock:
            self._connections.add(connection)
            if self._ear is None:
                self._ear = _Ear(self, self._primary.sentinels, connect)
                self._ear.start()
        if self._moves != moves and self._told != place:
            raise switched()
        return place

    def replicas(self, connect: Connect) -> int:
        """Return how many replicas are there. Raises: StoreUnavailable, StoreRefused."""
        # One of two servers that say they are a primary is not the one that is meant: of which, a switch has told us.
        knows_which = time.monotonic() - self._told_s < _CONVERTED_S
        return self._primary.count_replicas(connect, with_primaries=not knows_which)

    def has_moved(self, place: Place, told_by: Place, *, just_now: bool) -> None:
        """Cut all connections that lead, or are about to lead, elsewhere. ``just_now``: else perhaps long ago."""
        self._primary.prefer(told_by)
        with self._lock:
            self._told, self._moves = place, self._moves + 1
            self._told_s = time.monotonic() if just_now else self._told_s
            elsewhere = [one for one in self._connections if one.place not in (None, place)]
        for connection in elsewhere:
            connection.cut()
        if elsewhere:
            from jqjobs.base import log  # here: a ping that meets no switch does without

            service = self._primary.sentinels.service
            log.event("redis.switched", level=log.WARNING, service=service, primary=place_text(place))

    def ends(self) -> bool:
        """Whether nobody is connected any more; the ear ends then, and the next connection has another."""
        with self._lock:
            if any(connection.place is not None for connection in self._connections):
                return False
            self._ear = None
            return True


@cache
def _switches_of(sentinels: Sentinels, pid: int) -> Switches:
    return Switches(sentinels)


def switches_of(sentinels: Sentinels) -> Switches:
    """Return what this very process knows: threads and their locks do not outlive a fork."""
    return _switches_of(sentinels, os.getpid())


def switched() -> StoreBusy:
    """Return what becomes of a connection that leads where the primary is no longer."""
    return StoreBusy("another server has just become the primary", reason="READONLY")


class _Ear(threading.Thread):
    """Listens to all sentinels of a service until nobody is connected to its primary any more."""

    def __init__(self, switches: Switches, sentinels: Sentinels, connect: Connect) -> None:
        super().__init__(name="jqjobs-sentinel", daemon=True)
        self._switches = switches
        self._sentinels = sentinels
        self._connect = connect
        self._lines: dict[Place, Subscribed] = {}
        self._heard_s: dict[Place, float] = {}
        self._again_s = dict.fromkeys(self._sentinels.places, 0.0)
        self._said = ""

    def run(self) -> None:
        while not self._switches.ends():
            try:
                self._turn()
            except Exception as error:  # no descriptor is left, say; there is no other ear as long as anybody connects
                self._say(str(error))
                time.sleep(_TURN_S)
        for line in self._lines.values():
            line.close()

    def _turn(self) -> None:
        for sentinel, again_s in self._again_s.items():
            if sentinel not in self._lines and time.monotonic() >= again_s:
                self._guarded(sentinel, self._subscribe)
        self._listen()

    def _say(self, error: str) -> None:
        if error != self._said:
            from jqjobs.base import log

            log.event("redis.deaf", level=log.ERROR, exc_info=True, service=self._sentinels.service)
        self._said = error

    def _guarded(self, sentinel: Place, do: Callable[[Place], None]) -> None:
        """Leave a sentinel alone for a while that cannot be heard."""
        try:
            do(sentinel)
        except StoreError:
            self._again_s[sentinel] = time.monotonic() + _AGAIN_S
            if line := self._lines.pop(sentinel, None):
                line.close()

    def _subscribe(self, sentinel: Place) -> None:
        line: Any = self._connect(sentinel, self._sentinels, _PATIENCE_S)
        self._lines[sentinel] = line
        found = line.pipeline([
            ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._sentinels.service), ("SUBSCRIBE", _CHANNEL),
        ])  # fmt: skip
        self._heard_s[sentinel] = time.monotonic()
        if len(self._lines) == 1 and isinstance(found[0], list):  # what was published before, nobody here has heard
            self._switches.has_moved((found[0][0].decode(), int(found[0][1])), sentinel, just_now=False)

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sentinel, line in self._lines.items():
                selector.register(line, selectors.EVENT_READ, sentinel)
            for key, _ in selector.select(_TURN_S):
                self._guarded(key.data, self._hear)
        for sentinel in list(self._lines):
            self._guarded(sentinel, self._ask_for_life)

    def _hear(self, sentinel: Place) -> None:
        self._heard_s[sentinel] = time.monotonic()
        for said in self._lines[sentinel].arrived(0):
            if isinstance(said, list) and said[0] == b"message":
                try:
                    self._understand(said[2].decode(), sentinel)
                except ValueError as error:  # what has come with it may be a switch
                    self._say(str(error))

    def _understand(self, said: str, sentinel: Place) -> None:
        service, _, _, host, port = said.split(" ")
        if service == self._sentinels.service:
            self._switches.has_moved((host, int(port)), sentinel, just_now=True)

    def _ask_for_life(self, sentinel: Place) -> None:
        silent_s = time.monotonic() - self._heard_s[sentinel]
        if silent_s > 2 * _PING_AFTER_S:
            raise StoreError("a sentinel gives no sign of life")
        if silent_s > _PING_AFTER_S:
            self._lines[sentinel].send(("PING",))
