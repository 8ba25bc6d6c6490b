"""What the registry has of a daemon and its workers: all of it is said once, then what has changed.

Redis may lose it (FLUSHALL, a failover to a replica that lagged, a key that somebody deletes). So the entry has a
number, ``said``, one more with each change: where it is another one than here, or a worker's entry is missing, a beat
writes nothing, and all is said anew at once. Once a minute all is said in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.lease_messages import Report
from jqjobs.store.call import Call
from jqjobs.store.calls.daemons import Entry, SignOfLife, beat, register
from jqjobs.store.wire import Argument

#: A daemon that was not heard of for this long is no longer there.
REGISTERED_MS = 10_000
_ALL_EVERY_MS = 60_000


class Registration:
    """Of one daemon."""

    def __init__(self, daemon_id: str, redis_ms: Callable[[], int]) -> None:
        """``redis_ms``: asks Redis for its time. Raises: StoreError."""
        self._daemon_id = daemon_id
        self._redis_ms = redis_ms
        #: How far its clock is ahead of `monotonic_ms`.
        self._ahead_ms = 0
        #: What Redis has; None: nobody knows.
        self._known: Report | None = None
        #: Workers that may have entries.
        self._written: set[str] = set()
        self._said = 0
        self._all_ms = 0

    def tell(self, report: Report, run: Callable[[Call[SignOfLife]], SignOfLife]) -> SignOfLife:
        """Bring Redis from what it has to this report. ``run``: runs a call. Raises: what that raises."""
        known, self._known = self._known, None  # also after an error
        self._written.update(report.workers)
        if known is None or monotonic_ms() >= self._all_ms or _lacks_fields(known, report):
            known, self._ahead_ms = None, self._redis_ms() - monotonic_ms()
        report = _by_clock_of_redis(report, self._ahead_ms)
        heard = (known and run(self._news(known, report))) or run(self._all(report))
        self._known, self._written = report, set(report.workers)
        return heard

    def end(self) -> Call[SignOfLife]:
        """Return the call that takes the entries away."""
        return register(self._daemon_id, 0, {}, self._gone(Report()))

    def _news(self, known: Report, report: Report) -> Call[SignOfLife]:
        workers = {name: _news(known.workers.get(name, {}), entry) for name, entry in report.workers.items()}
        news = {name: fields for name, fields in workers.items() if fields} | self._gone(report)
        about, before = _news(known.about, report.about), self._said
        if news or about:
            self._said += 1
            about["said"] = self._said
        return beat(self._daemon_id, REGISTERED_MS, before, about, news)

    def _all(self, report: Report) -> Call[SignOfLife]:
        self._said += 1
        self._all_ms = monotonic_ms() + _ALL_EVERY_MS
        workers = {**report.workers, **self._gone(report)}
        return register(self._daemon_id, REGISTERED_MS, {**report.about, "said": self._said}, workers)

    def _gone(self, report: Report) -> dict[str, Entry]:
        return {name: {} for name in self._written if name not in report.workers}


def _by_clock_of_redis(report: Report, ahead_ms: int) -> Report:
    """Return a report that says of everybody when he started by the clock that readers have, not by that of a host."""

    def moved(entry: dict[str, Argument]) -> dict[str, Argument]:
        return {**entry, "started_ms": int(entry["started_ms"]) + ahead_ms} if "started_ms" in entry else entry

    return replace(report, about=moved(report.about), workers={name: moved(of) for name, of in report.workers.items()})


def _news(before: Entry, now: Entry) -> dict[str, Argument]:
    return {name: value for name, value in now.items() if before.get(name) != value}


def _lacks_fields(before: Report, now: Report) -> bool:
    """Whether any entry has lost a field, which a beat cannot say."""
    pairs = [(before.about, now.about), *((before.workers.get(name, {}), now.workers[name]) for name in now.workers)]
    return any(old.keys() - new.keys() for old, new in pairs)
