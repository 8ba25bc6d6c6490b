"""What one request costs: commands, time of Redis, time in all, bytes, the slowest single command."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

from jqjobs.store.address import parse_url
from jqjobs.store.scripts import script
from jqjobs.store.store import Store
from jqjobs.web import Dashboard, Request
from jqjobs.web.http import Response
from monitor import Monitor

#: Commands that take longer than that, in µs, are told apart.
_NOTED_US = 100
_MOST_NOTED = 10_000
#: The client of what scripts run, and what the meter itself asks.
_BY_A_SCRIPT, _OURS = b"?:0", (b"INFO", b"CONFIG", b"SLOWLOG")
#: Differs from look to look.
_MOMENT = re.compile(rb"\d{13}")
#: Of several looks the quickest counts: what else the machine does is no cost of ours.
_REPEATS = 5


class Cost(NamedTuple):
    """``sent``: commands that the dashboard sends, ``inside``: those that scripts run. ``slowest_ms`` 0: all are quick.

    ``redis_ms``, ``own_ms``: CPU of the server and of the dashboard, which is what they take where nothing else runs;
    ``slowest_ms`` may have been interrupted. ``size``: bytes of the body, ``zipped``: compressed.
    """

    sent: int
    inside: int
    redis_ms: float
    own_ms: float
    slowest: str
    slowest_ms: float
    size: int
    zipped: int


class _Look(NamedTuple):
    """``noted``: which commands were slow, and how slow, ms."""

    redis_ms: float
    own_ms: float
    noted: Mapping[tuple[bytes, ...], float]


class Meter:
    """Asks a dashboard, and its server what that took."""

    def __init__(self, dashboard: Dashboard, url: str) -> None:
        self._dashboard, self._url = dashboard, url
        self._store = Store(parse_url(url), timeout_s=60)
        self._store.wire.call("CONFIG", "SET", "slowlog-max-len", _MOST_NOTED)

    def cost(self, path: str) -> Cost:
        """Return what a path costs."""
        self.ask(path)  # loads scripts and templates
        looks = [self._look(path) for _ in range(_REPEATS)]
        with Monitor(self._url) as monitor:
            monitor.catch_up(self._store.wire.call)
            body = self.ask(path).body
            monitor.catch_up(self._store.wire.call)
        slowest, slowest_ms = _slowest([look.noted for look in looks])
        return Cost(
            monitor.sent, monitor.inside, min(look.redis_ms for look in looks), min(look.own_ms for look in looks),
            slowest, slowest_ms, len(body), len(gzip.compress(body)),
        )  # fmt: skip

    def ask(self, path: str) -> Response:
        """Return the answer. Raises: RuntimeError unless it is one."""
        where, _, said = path.partition("?")
        query = {name: [value] for name, _, value in (pair.partition("=") for pair in said.split("&") if pair)}
        response = self._dashboard.handle(Request("GET", where, query, host="localhost"))
        if response.status not in (200, 303, 404):
            raise RuntimeError(f"{path} answers {response.status}: {response.body[-500:]!r}")
        return response

    def _look(self, path: str) -> _Look:
        call = self._store.wire.call
        call("SLOWLOG", "RESET")
        call("CONFIG", "SET", "slowlog-log-slower-than", _NOTED_US)
        before_ms, started = cpu_ms(self._store), time.process_time()
        self.ask(path)
        own_ms = (time.process_time() - started) * 1000
        redis_ms = cpu_ms(self._store) - before_ms
        call("CONFIG", "SET", "slowlog-log-slower-than", -1)
        noted = [(_without_moments(entry[3]), entry[2] / 1000)
                 for entry in call("SLOWLOG", "GET", _MOST_NOTED) if entry[4] != _BY_A_SCRIPT]  # fmt: skip
        return _Look(redis_ms, own_ms, dict(noted))


def cpu_ms(store: Store) -> float:
    """Return how long the thread of a server that runs commands has worked."""
    told = store.wire.call("INFO", "cpu").decode()
    found = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    return 1000 * (float(found["used_cpu_user_main_thread"]) + float(found["used_cpu_sys_main_thread"]))


def _without_moments(words: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return a command as it is in every look; the name of a script may have as many digits as a moment."""
    return (*words[:2], *(_MOMENT.sub(b"", word) for word in words[2:]))


def _slowest(looks: Sequence[Mapping[tuple[bytes, ...], float]]) -> tuple[str, float]:
    """Return what took longest, and how long, of all that was slow in each look. Scripts go by their names."""
    always = set(looks[0]).intersection(*looks[1:])
    least = [(min(look[words] for look in looks), words) for words in always if words[0] not in _OURS]
    slowest_ms, words = max(least, default=(0.0, (b"",)))
    return (_script_name(words[1].decode()) if words[0] == b"EVALSHA" else words[0].decode()), slowest_ms


def _script_name(sha: str) -> str:
    names = (path.name.removesuffix(".lua") for path in files("jqjobs.store").joinpath("lua").iterdir())
    return next((f"{name}.lua" for name in names if name != "rules" and script(name).sha == sha), sha)
