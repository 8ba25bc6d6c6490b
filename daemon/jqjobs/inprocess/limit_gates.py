"""Rate and concurrency limits in memory: which job may start, and which is held back; what lua/rules/limits/ does.

Jobs are asked in their order, those that are held among the others, so none goes before one that waits longer for the
same limit. Starts are counted whoever let them happen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jqjobs.inprocess.memory_store import Record, Records
from jqjobs.jobs.registration import Settings

_LIMIT = re.compile(r"(\w) (\d+) (\d+) (\S+)")


class Limit(NamedTuple):
    """At most ``most`` starts in any ``window_ms``, or 0: at most so many at once."""

    most: int
    window_ms: int
    name: str


class LimitGates:
    """The limits of the jobs of one process. ``settings_of``: what a job name is registered with."""

    def __init__(self, records: Records, settings_of: Callable[[str], Settings]) -> None:
        self._records = records
        self._settings_of = settings_of
        self._starts: dict[tuple[str, str], list[int]] = {}
        self._started: dict[tuple[str, str], int] = {}

    def take(self) -> Record | None:
        """Return the first job in order that may start, active now; those before it are held, or dead."""
        for record in self._records.in_order("ready", "held"):
            limit = self._refusal(record)
            if limit is None:
                return self._records.start(record)
            if record.state == "ready":
                self._hold_back(record, limit)
            elif record.held_by != limit.name:
                self._leave(record)
                self._hold(record, limit, self._patience(record))
        return None

    def started(self, record: Record) -> None:
        """Count the start of a job, for its limits and for those whom it has passed by."""
        self._leave(record)
        for limit in limits_of(record):
            place = record.queue, limit.name
            self._starts[place] = [*self._starts.get(place, ()), self._records.clock()][-limit.most :]
            self._started[place] = self._started.get(place, 0) + 1
            for held in self._held(*place):
                if held.patience is not None and self._passed(held) >= held.patience:
                    self._give_up(held)

    def next_opening_ms(self) -> int | None:
        """Return when the next job that a rate holds back may start, None when there is none."""
        held = (record for record in self._records if record.state == "held")
        openings = (self._opens_at(record.queue, limit) for record in held if (limit := self._refusal(record)))
        return min((at for at in openings if at is not None), default=None)

    def _refusal(self, record: Record) -> Limit | None:
        now_ms = self._records.clock()
        for limit in limits_of(record):
            opens_at = self._opens_at(record.queue, limit)
            if opens_at is None or opens_at > now_ms:
                return limit
        return None

    def _opens_at(self, queue: str, limit: Limit) -> int | None:
        """Return the moment, past when it is open; None when a place must become free."""
        if not limit.window_ms:
            return 0 if self._running(queue, limit.name) < limit.most else None
        starts = self._starts.get((queue, limit.name), ())
        return starts[-limit.most] + limit.window_ms if len(starts) >= limit.most else 0

    def _running(self, queue: str, name: str) -> int:
        active = (record for record in self._records if record.state == "active" and record.queue == queue)
        return sum(any(limit.name == name for limit in limits_of(record)) for record in active)

    def _held(self, queue: str, name: str) -> Iterable[Record]:
        return [each for each in self._records if each.state == "held" and (each.queue, each.held_by) == (queue, name)]

    def _hold_back(self, record: Record, limit: Limit) -> None:
        """A job that would start now must not: that is a throttle."""
        rest = self._patience(record)
        self._count(record, 1)
        self._hold(record, limit, None if rest is None else rest - 1)
        if rest is not None and rest <= 1:
            self._give_up(record)

    def _hold(self, record: Record, limit: Limit, rest: int | None) -> None:
        record.state, record.patience = "held", rest
        record.held_by, record.held_most = limit.name, limit.most
        record.held_since = self._started.get((record.queue, limit.name), 0)

    def _patience(self, record: Record) -> int | None:
        """Return how often limits may yet hold a job back, None for any number."""
        settings, spans = self._settings_of(record.name), []
        if settings.max_throttles is not None:
            spans.append(settings.max_throttles - (record.throttles - record.forgiven_throttles))
        if settings.throttle_counts:
            most = int(record.fields.get("max_attempts", settings.max_attempts))
            spans.append(most - (record.failures - record.forgiven))
        return min(spans, default=None)

    def _count(self, record: Record, throttles: int) -> None:
        record.throttles += throttles
        if self._settings_of(record.name).throttle_counts:
            record.failures += throttles

    def _passed(self, record: Record) -> int:
        """Return how often others passed it by: each time as many as the limit lets through."""
        return (self._started.get((record.queue, record.held_by), 0) - record.held_since) // record.held_most

    def _leave(self, record: Record) -> None:
        if record.held_by:
            self._count(record, self._passed(record))
            record.held_by = ""

    def _give_up(self, record: Record) -> None:
        record.error = f"held back too often by the limit {record.held_by}"
        self._leave(record)
        self._records.end(record, "dead", "throttled")


def limits_of(record: Record) -> list[Limit]:
    """Return the limits that a call was stored with."""
    found = _LIMIT.findall(str(record.fields.get("limits", "")))
    return [Limit(int(most), int(window_ms), name) for _, most, window_ms, name in found]
