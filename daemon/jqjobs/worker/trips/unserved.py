"""Queues that the last whole trip of a worker could not serve: their node of a cluster is lost, or takes no writes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from jqjobs.errors import StoreBusy, StoreError
from jqjobs.store.steps import NotAsked
from jqjobs.worker.trips.reports import Report

#: A node that answers that it does not serve is asked for the same queue again after so long: a worker with many queues
#: there would do little else.
_AGAIN_S = 0.25


@dataclass(slots=True)
class Unserved:
    """One per worker. ``why``: of one of them; None: all were served that had to be.

    ``doubtful``: nobody knows what became of the last trip there, so the next one says what is in hand. ``kept``: what
    is still to be reported there; it holds up nothing else.
    """

    why: StoreError | None = None
    doubtful: set[str] = field(default_factory=set)
    kept: dict[str, Report] = field(default_factory=dict)
    _again_s: dict[str, float] = field(default_factory=dict)

    def note(self, queue: str, error: StoreError) -> None:
        """Note why a queue was not served."""
        self.doubtful.add(queue)
        if isinstance(error, StoreBusy):
            self._again_s[queue] = time.monotonic() + _AGAIN_S

    def unasked(self, queue: str) -> NotAsked | None:
        """Return why a queue is not asked yet; None: it may be."""
        if not self._again_s or time.monotonic() >= self._again_s.get(queue, 0.0):
            return None
        return NotAsked(
            f"the node of queue {queue} said a moment ago that it does not serve, and is not asked yet again"
        )

    def served(self, queue: str) -> None:
        """Note that a queue was served."""
        self.doubtful.discard(queue)
        self._again_s.pop(queue, None)

    def with_kept(self, reports: dict[str, Report]) -> dict[str, Report]:
        """Return what is to be reported to each queue, with what was before it."""
        for queue, kept in self.kept.items():
            new = reports.get(queue, Report([], []))
            reports[queue] = Report(kept.done + new.done, kept.outcomes + new.outcomes)
        return reports
