"""The loop of a relay: bring what is due, wait, again. Neither an outage of Redis nor one of the database ends it.

turn ─▶ bring what is due ─▶ say what is stuck, once a minute ─▶ count, every ten seconds, and tell the daemon
  └───── wait a poll interval, or while something is away longer ◀──┘
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jqjobs.base import log
from jqjobs.base.clock import format_age
from jqjobs.errors import OutboxMissing, StoreError
from jqjobs.link.relay_report import RUNNING, WAITING_DATABASE, WAITING_REDIS, RelayReport
from jqjobs.outbox.outbox import Outbox
from jqjobs.outbox.rows import Brought
from jqjobs.store.outage import Failures, Outage
from jqjobs.store.store import Store

#: Rows that their producer is to bring after the commit are left to it for so long.
LEFT_TO_PRODUCERS_S = 5.0
#: What stays as it is, is said again after so long; what a person is to look at, after longer.
_SAY_AGAIN_S, _REMIND_AGAIN_S = 60.0, 3600.0
#: Counting reads the whole table.
_COUNT_AGAIN_S = 10.0


class Relay:
    """One per process. ``wait``: returns True when it is to end. ``tell``: hears how it is, whenever that changes."""

    def __init__(
        self, outbox: Outbox, store: Store, rng: random.Random, wait: Callable[[float], bool],
        tell: Callable[[RelayReport], None],
    ) -> None:  # fmt: skip
        self._outbox = outbox
        self._store = store
        self._wait = wait
        self._tell = tell
        self._report = RelayReport()
        self._redis = Outage(rng)
        self._database = Failures(rng)
        self._said: dict[str, float] = {}

    def run(self, pause_s: Callable[[], float]) -> None:
        """Turn until it is to end. ``pause_s``: how long to wait after a turn in which nothing failed."""
        while not self._wait(self.turn() or pause_s()):
            continue

    def turn(self) -> float:
        """Bring what is due; return how long to wait because something failed, 0 when nothing did."""
        try:
            pause_s = self._bring()
            self._count()
        except Exception as error:  # of a driver: each has its own
            self._note(error)
            return self._database.pause_s()
        if failures := self._database.clear():
            log.event("outbox.back", failures=failures)
            self._said.pop("database", None)
        return pause_s

    def _bring(self) -> float:
        try:
            brought = self._outbox.relay(self._store.run, least_s=LEFT_TO_PRODUCERS_S)
        except StoreError as error:
            self._redis.note(error)
            self._show(state=WAITING_REDIS, error=error.in_one_line())
            return self._redis.pause_s()
        self._redis.end()
        self._show(state=RUNNING, error="")
        self._say(brought)
        return 0.0

    def _say(self, brought: Brought) -> None:
        if brought.brought:
            log.event("outbox.brought", level=log.DEBUG, rows=brought.brought)
        for queue, why in brought.stuck.items():
            if self._is_due(queue, _SAY_AGAIN_S):
                log.event("outbox.blocked", level=log.WARNING, queue=queue, error=why)
        for row, why in brought.bad.items():
            if self._is_due(f"row {row}", _REMIND_AGAIN_S):
                log.event("outbox.bad_row", level=log.ERROR, row=row, error=why)

    def _count(self) -> None:
        """Count what waits, and say how many rows wait for a person."""
        if not self._is_due("count", _COUNT_AGAIN_S):
            return
        waiting = self._outbox.status()
        self._show(**waiting._asdict())
        if waiting.old and self._is_due("old", _REMIND_AGAIN_S):
            log.event(
                "outbox.old", level=log.ERROR, rows=waiting.old, oldest=format_age(waiting.oldest_s),
                hint="they may have been brought: look, then jqctl outbox run --force",
            )  # fmt: skip

    def _note(self, error: Exception) -> None:
        self._database.add()
        said = error.in_one_line() if isinstance(error, OutboxMissing) else f"{type(error).__name__}: {error}"
        self._show(state=WAITING_DATABASE, error=said)
        if self._is_due("database", _SAY_AGAIN_S):
            log.event("outbox.lost", level=log.WARNING, error=said)

    def _show(self, **changed: Any) -> None:
        before, self._report = self._report, replace(self._report, **changed)
        if self._report != before:
            self._tell(self._report)

    def _is_due(self, what: str, again_s: float) -> bool:
        now_s = time.monotonic()
        if now_s < self._said.get(what, 0.0):
            return False
        self._said[what] = now_s + again_s
        return True
