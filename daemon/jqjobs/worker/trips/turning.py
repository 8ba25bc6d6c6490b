"""Goes from queue to queue, where they are served by their turn: as many as they are, in a few at a time.

    wake set ─▶ join ─▶ serve, with all others that it is in ─▶ let go: nothing is in hand there, and nothing is left
                                                                there; or others call, and there is no place

What is to be served a wake set tells (lua/call_workers.lua). It gives a queue to one worker, and has it again while
there is more to do. Who ends this worker finds on its board where it has leases (`link.turn_places`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TypeVar

from jqjobs.base.clock import monotonic_ms
from jqjobs.errors import StoreError
from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.link.queue_choice import QueueChoice
from jqjobs.link.turn_places import TurnPlaces
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls.leases import Joined, join_by_turn, step_out
from jqjobs.store.calls.turns import take_called
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.offering import Offering
from jqjobs.worker.trips.queue_order import Turns

T = TypeVar("T")

#: So often a busy worker looks whether others call.
_LOOK_EVERY_MS = 100
#: What has given nothing for so long, and has nothing, is let go of; at once, where others call and there is no place.
_REST_MS = 1000
#: While others call and there is no place, a queue is served for so long at least.
_LEAST_TURN_MS = 500


class Turning:
    """One per worker that serves queues by patterns. Called by its main thread."""

    def __init__(
        self, choice: QueueChoice, order: Turns, exchanger: Exchanger, batch: Batch, places: TurnPlaces,
        offering: Offering, called: deque[str], worker_id: str, lease_ms: int,
    ) -> None:  # fmt: skip
        """``called``: queues that a wake set has given to this worker while it was idle, see `TokenLine`."""
        self._choice = choice
        self._order = order
        self._exchanger = exchanger
        self._batch = batch
        self._places = places
        self._offering = offering
        self._called = called
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        #: Of each queue that it is in by its turn: since when, and when it gave something last.
        self._since_ms: dict[str, int] = {}
        self._gave_ms: dict[str, int] = {}
        #: Where nobody knows whether it has a lease: an answer was lost.
        self._doubtful: set[str] = set()
        self._look_ms = 0

    @property
    def is_due(self) -> bool:
        """Whether to look where others call, or somebody has called."""
        return bool(self._called) or monotonic_ms() >= self._look_ms

    def go_on(self, want: int) -> bool:
        """Let go of queues and join others; return whether there are new ones.

        ``want``: so many more jobs the worker could take; 0: none. Raises: StoreError.
        """
        self._look_ms = monotonic_ms() + _LOOK_EVERY_MS
        return self._exchanger.between_trips(lambda store: self._turn(store, want))

    def _turn(self, store: Store, want: int) -> bool:
        if self._exchanger.resyncs:  # the next trip is about the queues of the last one
            return False
        calling = min(want, len(self._called) + self._count_calling(store)) if want else 0
        self._let_go(store, self._left(store, calling))
        new = self._next(store, calling) if calling else []
        is_called = bool(self._called)
        self._called.clear()  # of what is not served now the daemon reminds
        if new:
            self._join(store, new)
        return is_called or bool(new)

    def _count_calling(self, store: Store) -> int:
        sets = [("ZCARD", store.address.key(keys.wakes(pattern))) for pattern in self._choice.patterns]
        return sum(map(int, raise_first(store.wire.pipeline(sets))))

    def _left(self, store: Store, calling: int) -> list[str]:
        """Return what to let go of: what has nothing, and where there is no place for others what had its turn."""
        now_ms, busy = monotonic_ms(), self._busy()
        self._gave_ms |= dict.fromkeys(busy | self._order.gave, now_ms)
        self._order.gave = set()
        free = [queue for queue in self._since_ms if queue not in busy]
        rested = [queue for queue in free if now_ms - self._gave_ms.get(queue, self._since_ms[queue]) >= _REST_MS]
        places = self._free_places
        left = _empty(store, rested if calling <= places else free)
        missing = calling - places - len(left)
        if missing > 0:
            served = [q for q in free if q not in left and now_ms - self._since_ms[q] >= _LEAST_TURN_MS]
            # Last who has not given anything yet.
            left += sorted(served, key=lambda q: (q not in self._gave_ms, self._since_ms[q]))[:missing]
        return left

    @property
    def _free_places(self) -> int:
        return MAX_QUEUES - len(self._order.queues) - len(self._doubtful)

    def _busy(self) -> set[str]:
        """Return where it has something in hand, or to report."""
        # In this order: a job that ends meanwhile is in both.
        jobs = self._batch.in_hand()
        reports = self._batch.reports
        jobs += [*reports.done, *[outcome.job for outcome in reports.outcomes]]
        return {job.queue for job in jobs}

    def _let_go(self, store: Store, left: Sequence[str]) -> None:
        queues = [*left, *self._doubtful]
        if not queues:
            return
        for queue in queues:
            self._places.write_down(queue)  # it is no longer renewed
        if self._exchanger.fast.queue in queues:
            self._exchanger.fast.begin_anew()
        answers = self._run(store, [step_out(queue, self._worker_id) for queue in queues], queues)
        for queue, answer in zip(queues, answers, strict=True):
            if answer is False and queue in self._since_ms:
                self._places.enter(queue)
            elif not isinstance(answer, StoreError):
                self._forget([queue])
                self._doubtful.discard(queue)
                self._places.strike_out(queue)
        raise_first(answers)

    def _next(self, store: Store, calling: int) -> list[str]:
        """Return the queues that are next, as far as there are places."""
        names = [*self._called]
        for pattern in self._choice.patterns:
            if (room := min(calling, self._free_places) - len(names)) > 0:
                names += store.run(take_called(pattern, room))
        new = [name for name in dict.fromkeys(names) if name not in self._since_ms and self._choice.has_turns(name)]
        return new[: max(0, self._free_places)]

    def _join(self, store: Store, queues: Sequence[str]) -> None:
        """Have leases in these queues, and take their wake tokens along."""
        for queue in queues:
            self._places.write_down(queue)
        calls = [join_by_turn(q, self._worker_id, self._lease_ms, self._offering.digest(q)) for q in queues]
        answers = self._run(store, calls, queues)
        for queue, answer in zip(queues, answers, strict=True):
            if not isinstance(answer, StoreError):
                self._enter(queue, answer)
        unpublished = [queue for queue, answer in zip(queues, answers, strict=True) if answer is Joined.UNPUBLISHED]
        store.run_all([self._offering.publication(queue) for queue in unpublished])
        raise_first(answers)

    def _enter(self, queue: str, joined: Joined) -> None:
        if joined is Joined.REFUSED:
            self._places.strike_out(queue)
            return
        self._places.enter(queue)
        self._since_ms[queue] = monotonic_ms()
        self._order.enter(queue)

    def _run(self, store: Store, calls: Sequence[Call[T]], queues: Sequence[str]) -> list[T | StoreError]:
        """Run calls; what is not answered leaves it in doubt whether there are leases in these queues."""
        try:
            answers = store.run_many(calls)
        except StoreError:
            self._doubt(queues)
            raise
        self._doubt([queue for queue, answer in zip(queues, answers, strict=True) if isinstance(answer, StoreError)])
        return answers

    def _doubt(self, queues: Iterable[str]) -> None:
        self._forget(queues)
        self._doubtful.update(queues)

    def _forget(self, queues: Iterable[str]) -> None:
        for queue in queues:
            if self._since_ms.pop(queue, None) is not None:
                self._order.leave(queue)
            self._gave_ms.pop(queue, None)


def _empty(store: Store, queues: Sequence[str]) -> list[str]:
    """Return those that have nothing."""
    key = store.address.key
    looks = [("EXISTS", *[key(keys.queue(queue, part)) for part in ("ready", "inbox")]) for queue in queues]
    found = store.wire.pipeline_in_parts(looks) if looks else []
    return [queue for queue, count in zip(queues, found, strict=True) if count == 0]
