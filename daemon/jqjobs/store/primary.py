"""The primary that sentinels name: where it is now. Asked before each connection (`wire`, `async_wire`).

Who answered last is asked first next time. A sentinel may not have heard yet of a new primary, so whoever told of the
last switch goes before all others; and who is connected to a server that is none any more is told by `switches`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from jqjobs.errors import StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.sentinels import Place, Sentinels, place_text

#: So long one sentinel has to answer; it does in less than a millisecond.
_PATIENCE_S = 0.5
#: Flags of a replica that a sentinel does not reach.
_GONE = {b"s_down", b"o_down", b"disconnected"}
_NOT_THERE = "are they running? JQ_REDIS_URL names them"
_WHO_WE_ARE = "say who we are to sentinels: ?sentinel_username=…&sentinel_password=… in JQ_REDIS_URL"
_UNKNOWN = "JQ_REDIS_URL names it, as `sentinel monitor` does: redis+sentinel://s1:26379,s2,s3/mymaster/0"
_NO_SENTINEL = "name the sentinels and their port, as a rule 26379; redis:// is for Redis itself"


class Line(Protocol):
    """A connection to a sentinel."""

    def call(self, *command: str) -> Any:
        """Send a command and return the reply. Raises: StoreError and its kinds."""
        ...

    def close(self) -> None:
        """Drop the connection."""
        ...


#: Makes a line that has so many seconds to connect, and for each reply.
Connect = Callable[[Place, Sentinels, float], Line]


@dataclass(frozen=True, slots=True)
class _Silence:
    """Why a sentinel did not name the primary. ``is_final``: it will not tomorrow, either."""

    why: str
    hint: str
    is_final: bool


class Primary:
    """What this process knows of one service of some sentinels. For any thread."""

    def __init__(self, sentinels: Sentinels) -> None:
        self.sentinels = sentinels
        self._order = list(sentinels.places)
        self._lock = threading.Lock()

    def prefer(self, sentinel: Place) -> None:
        """Ask this one first from now on."""
        with self._lock:
            self._order = [sentinel, *(other for other in self._order if other != sentinel)]

    def find(self, connect: Connect, timeout_s: float) -> Place:
        """Return where the primary is. Raises: StoreUnavailable; StoreRefused when all sentinels refuse to say."""
        host, port = self._ask("GET-MASTER-ADDR-BY-NAME", connect, timeout_s)
        return host.decode(), int(port)

    def count_replicas(self, connect: Connect, *, with_primaries: bool) -> int:
        """Return how many replicas a sentinel is in touch with. Raises: as `find`.

        ``with_primaries``: also those that still, or already, are primaries by what they say.
        """
        told = self._ask("REPLICAS", connect, _PATIENCE_S * len(self._order))
        facts = [dict(zip(replica[::2], replica[1::2], strict=False)) for replica in told]
        return sum(
            not _GONE.intersection(fact.get(b"flags", b"").split(b","))
            and (with_primaries or fact.get(b"role-reported") != b"master")
            for fact in facts
        )

    def _ask(self, question: str, connect: Connect, timeout_s: float) -> list[Any]:
        until_s = time.monotonic() + timeout_s
        silences: list[_Silence] = []
        for sentinel in list(self._order):
            left_s = min(_PATIENCE_S, until_s - time.monotonic())
            if left_s <= 0:
                break
            found = _ask(sentinel, self.sentinels, question, connect, left_s)
            if not isinstance(found, _Silence):
                self.prefer(sentinel)
                return found
            silences.append(found)
        raise self._unknown(silences)

    def _unknown(self, silences: list[_Silence]) -> StoreError:
        final = [silence for silence in silences if silence.is_final]
        kind = StoreRefused if silences and len(final) == len(silences) else StoreUnavailable
        said = (final or silences or [_Silence("no time is left", _NOT_THERE, is_final=False)])[0]
        where = f"where the primary of {self.sentinels.service} is"
        return kind(f"none of the sentinels {self.sentinels} tells {where}: {said.why}", said.hint, reason="sentinel")


def _ask(
    sentinel: Place, sentinels: Sentinels, question: str, connect: Connect, timeout_s: float
) -> list[Any] | _Silence:  # fmt: skip
    line = connect(sentinel, sentinels, timeout_s)
    try:
        answer = line.call("SENTINEL", question, sentinels.service)
        if isinstance(answer, list):
            return answer
        return _Silence(f"{place_text(sentinel)} does not know it", _UNKNOWN, is_final=True)
    except StoreUnavailable as error:
        return _Silence(error.message.rpartition(": ")[2], error.hint, is_final=False)
    except StoreRefused as error:
        return _Silence(f"{place_text(sentinel)}: {error.message}", _WHO_WE_ARE, is_final=True)
    except StoreError:
        return _Silence(f"what answers at {place_text(sentinel)} is no Sentinel", _NO_SENTINEL, is_final=True)
    finally:
        line.close()
