"""When a worker asks Redis for jobs, and for how many: by one rule with one slot, by another with several.

Only decides: the loop makes the trips. May look at Redis, see `Exchanger.has_news`.
"""

from __future__ import annotations

import math
from typing import Protocol

from jqjobs.base.clock import monotonic_ms
from jqjobs.store.calls.trips import Trip
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.pace import OneSlotPace, Pace, SlotsPace

#: While other jobs run, finished ones are reported with the next take, and after this long at the latest.
_REPORT_AFTER_MS = 10
#: The same where jobs in hand wait for a slot: the next take is near, and each trip costs Redis as much as 20 jobs do.
_REPORT_WITH_TAKE_MS = 20


class Lull:
    """The time in which, as far as the last trip knew, Redis has nothing for this worker."""

    def __init__(self) -> None:
        self._until_ms = 0.0

    def begin(self, for_ms: float) -> None:
        """For so long there is nothing to take."""
        self._until_ms = monotonic_ms() + for_ms

    def end(self) -> None:
        """Somebody says that there may be something."""
        self._until_ms = 0.0

    @property
    def left_ms(self) -> float:
        """How long it goes on; 0 or less: there is none."""
        return self._until_ms - monotonic_ms()


class Listen(Protocol):
    """Has slots wake the loop, see `Executor.listen`."""

    def __call__(self, low: int, *, for_outcomes: bool) -> None:
        """Wake it when only ``low`` jobs are unstarted (-1: never), or when one has ended."""
        ...


class Hooks(Protocol):
    """The hooks that are still to be called."""

    @property
    def pending(self) -> bool:
        """Whether the next trip should take nothing, because hooks come first."""
        ...


class Fetching(Protocol):
    """What the loop asks. ``may_take``: whether this worker takes jobs at all, set by the loop."""

    pace: Pace
    lull: Lull
    may_take: bool
    #: Whether a job in hand would wait behind a hook, so that all are called before jobs are taken.
    hooks_first: bool

    def is_due(self) -> bool:
        """Whether a trip is called for: there is something to report, or place for jobs that may be there."""
        ...

    def ask(self) -> tuple[int, int]:
        """Return how many jobs to ask for, and how many could start at once beside others; see `Exchanger.send`."""
        ...

    def took(self, trip: Trip) -> None:
        """Note that a trip has brought jobs."""
        ...

    @property
    def has_free_slot(self) -> bool:
        """Whether a job that came now would start at once."""
        ...

    def rest_s(self, listen: Listen) -> float:
        """Return how long the loop may wait at most, from when it looks itself."""
        ...


class OneSlot:
    """Asked between two jobs: the slot is free. The next jobs come in batches, and hooks are called before them."""

    hooks_first = True

    def __init__(self, batch: Batch, exchanger: Exchanger, hooks: Hooks, *, prefetch_ms: int, most: int) -> None:
        """``most``: jobs of one trip."""
        self.pace: Pace = OneSlotPace(prefetch_ms, most)
        self.lull = Lull()
        self.may_take = True
        self._batch = batch
        self._exchanger = exchanger
        self._hooks = hooks

    def is_due(self) -> bool:
        """Always, as long as there is work or a hook to call; otherwise when there is news."""
        return self.lull.left_ms <= 0 or self._hooks.pending or self._exchanger.has_news()

    def ask(self) -> tuple[int, int]:
        """Return how many jobs to ask for; none while hooks wait. Beside others none can start."""
        if not self.may_take or self._hooks.pending:
            return 0, 0
        unstarted = self._batch.unstarted_count
        self._exchanger.packer.soon = max(0, self.pace.soon - unstarted)
        return max(0, self.pace.most_in_hand - unstarted), 0

    def took(self, trip: Trip) -> None:
        """Note that a trip has brought jobs."""
        self.pace.adapt(len(trip.jobs), is_limited=trip.jobs[-1].limits != "")

    @property
    def has_free_slot(self) -> bool:
        """Whether a job that came now would be the next one."""
        return self._batch.unstarted_count == 0

    def rest_s(self, listen: Listen) -> float:
        """Return how long the lull goes on. Nothing runs meanwhile, so there is nothing to listen to."""
        left_ms = self.lull.left_ms
        return left_ms / 1000 if left_ms > 0 else math.inf


class SeveralSlots:
    """Asked beside running jobs: slots help themselves, and this fetches what they will start, and reports."""

    hooks_first = False

    def __init__(self, batch: Batch, exchanger: Exchanger, slots: int, *, prefetch_ms: int, most: int) -> None:
        """``most``: jobs of one trip."""
        self.pace: Pace = SlotsPace(slots, prefetch_ms)
        self.lull = Lull()
        self.may_take = True
        self._batch = batch
        self._exchanger = exchanger
        self._slots = slots
        self._most = most
        self._asked = 0

    def is_due(self) -> bool:
        """Whether to report what ended a while ago, or to fetch because few are left that slots could start."""
        in_lull = self.lull.left_ms > 0
        if self._batch.running_count and self._batch.reports.pending:
            if self._report_in_ms <= 0:
                return True
            if in_lull:
                return False
        return self._wants_more and (not in_lull or self._exchanger.has_news())

    def ask(self) -> tuple[int, int]:
        """Return how many jobs to ask for, and how many slots are free for them."""
        self._asked = max(0, min(self._places, self._most)) if self.may_take else 0
        return self._asked, max(0, self._free_slots)

    def took(self, trip: Trip) -> None:
        """Note that a trip has brought jobs."""
        # A limited job may have ended the take. Otherwise there is no more now, unless a token says so.
        if len(trip.jobs) < self._asked and not trip.more and not trip.jobs[-1].limits:
            self.lull.begin(_REPORT_AFTER_MS)
        self.pace.adapt(len(trip.jobs))

    @property
    def has_free_slot(self) -> bool:
        """Whether a job that came now would start at once."""
        return self._free_slots > 0

    def rest_s(self, listen: Listen) -> float:
        """Return how long to wait at most; the slots wake the loop earlier for what it has to do for them."""
        left_ms = self.lull.left_ms
        rest_s = left_ms / 1000 if left_ms > 0 else math.inf
        return min(rest_s, self._listen(listen, in_lull=left_ms > 0)) if self._batch.running_count else rest_s

    def _listen(self, listen: Listen, *, in_lull: bool) -> float:
        report_in_ms = self._report_in_ms
        at_once = not self._batch.reports.pending and (report_in_ms <= 0 or not in_lull)
        listen(-1 if in_lull else self.pace.low, for_outcomes=at_once)
        # What happens from here on rings; what happened since the last look does not.
        if not in_lull and self._wants_more:
            return 0.0
        if at_once and not self._batch.reports.pending:
            return math.inf
        return max(0.0, report_in_ms / 1000)

    @property
    def _report_in_ms(self) -> float:
        after_ms = _REPORT_WITH_TAKE_MS if self._batch.unstarted_count else _REPORT_AFTER_MS
        return self._exchanger.sent_ms + after_ms - monotonic_ms()

    @property
    def _wants_more(self) -> bool:
        return self._batch.unstarted_count <= self.pace.low and self._places > 0

    @property
    def _places(self) -> int:
        """How many more jobs may be in hand."""
        return self.pace.most_in_hand - self._batch.unstarted_count - self._batch.running_count

    @property
    def _free_slots(self) -> int:
        """How many slots have nothing to start; negative: so many jobs wait for one."""
        return self._slots - self._batch.unstarted_count - self._batch.running_count
