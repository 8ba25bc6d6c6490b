"""Goes from queue to queue, where they are served by their turn: as many as they are, in a few at a time.

    wake set ─▶ join ─▶ serve, with all others that it is in ─▶ let go: nothing is in hand there, and nothing is left
                                                                there; or others call, and it has had its turn

What is to be served a wake set tells (lua/call_workers.lua, lua/take_called.lua): first what has had least, whoever
served it. Who ends this worker finds on its board where it has leases (`link.turn_places`).
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
from jqjobs.store.call import Call
from jqjobs.store.calls.leases import Joined, join_by_turn, step_out
from jqjobs.store.calls.turns import Charge, take_called
from jqjobs.store.reads.presence import without_any
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first
from jqjobs.worker.trips.batch import Batch
from jqjobs.worker.trips.exchanger import Exchanger
from jqjobs.worker.trips.offering import Offering
from jqjobs.worker.trips.queue_order import Turns
from jqjobs.worker.trips.turn_book import TURN_JOBS, PatternOrder, TurnBook

T = TypeVar("T")

#: So often a busy worker looks whether others call; earlier when it has nothing to give any more.
_LOOK_EVERY_MS = 100
#: Where a look takes long, as on a loaded machine, so many times as long as it took, up to a second: else the worker
#: does little but go from queue to queue, and turns are over before they have given anything.
_LOOK_TIMES, _LOOK_AT_MOST_MS = 5, 1000


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
        self._book = TurnBook(order)
        self._patterns = PatternOrder(order.patterns)
        #: What a wake set has given twice: to be charged once.
        self._twice: list[Charge] = []
        #: Where nobody knows whether it has a lease: an answer was lost.
        self._doubtful: set[str] = set()
        self._look_ms = 0
        self._wants = False

    @property
    def is_due(self) -> bool:
        """Whether to look where others call, or somebody has called."""
        if self._called or monotonic_ms() >= self._look_ms:
            return True
        return self._wants and self._book.is_used_up

    def go_on(self, want: int) -> bool:
        """Let go of queues and join others; return whether there are new ones.

        ``want``: so many more jobs the worker could take; 0: none. Raises: StoreError.
        """
        began_ms, self._wants = monotonic_ms(), want > 0
        try:
            return self._exchanger.between_trips(lambda store: self._turn(store, want))
        finally:
            now_ms = monotonic_ms()
            self._look_ms = now_ms + min(max(_LOOK_EVERY_MS, _LOOK_TIMES * (now_ms - began_ms)), _LOOK_AT_MOST_MS)

    def _turn(self, store: Store, want: int) -> bool:
        if self._exchanger.resyncs:  # the next trip is about the queues of the last one
            return False
        busy = self._busy()
        charges = self._end_turns(store, busy)
        left = [queue for queue in self._order.over if queue not in busy]
        names = self._next(store, min(want, self._free_places + len(left)), charges)
        new = [name for name in names if name not in self._book.since_ms]
        is_called = bool(self._called)
        self._called.clear()  # of what is not served now the daemon reminds
        self._begin_again([name for name in names if name not in new])
        self._let_go(store, [queue for queue in left if queue in self._order.over])
        if new:
            self._join(store, new)
        return is_called or bool(new)

    def _end_turns(self, store: Store, busy: set[str]) -> list[Charge]:
        """End the turns that are over, and those where nothing is left; return what they are charged."""
        now_ms = monotonic_ms()
        self._book.count(now_ms, busy)
        over = self._book.over_now(now_ms)
        others = [queue for queue in self._book.may_go(now_ms, busy) if queue not in over]
        ended = [*over, *without_any(store, others, ("ready", "inbox"))]
        idle = without_any(store, over, ("wake",))
        charges = [Charge(queue, self._book.end(queue), queue in over and queue not in idle) for queue in ended]
        if self._exchanger.fast.queue in self._order.over:
            self._exchanger.fast.begin_anew()
        return charges

    @property
    def _free_places(self) -> int:
        return MAX_QUEUES - len(self._order.queues) - len(self._doubtful)

    def _busy(self) -> set[str]:
        """Return where it has something in hand, or to report."""
        # In this order: a job that ends meanwhile is in both.
        jobs = self._batch.in_hand()
        reports = self._batch.reports
        jobs += [*reports.done, *[outcome.job for outcome in reports.outcomes]]
        return {job.queue for job in jobs} | self._exchanger.unserved.kept.keys()

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
            if answer is False and queue in self._book.since_ms:
                self._places.enter(queue)
            elif not isinstance(answer, StoreError):
                self._book.forget(queue)
                self._doubtful.discard(queue)
                self._places.strike_out(queue)
        raise_first(answers)

    def _next(self, store: Store, most: int, charges: Sequence[Charge]) -> list[str]:
        """Charge what has ended, and return the queues that have a turn now, as far as there are places."""
        called = [name for name in dict.fromkeys(self._called) if self._choice.has_turns(name)]
        names = [name for name in called if name not in self._book.since_ms][: max(0, most)]
        charges = [*charges, *self._twice, *[Charge(name, TURN_JOBS, None) for name in names]]
        self._twice, waiting = [], list[int]()
        for pattern in self._patterns.next():
            due = [charge for charge in charges if self._order.pattern_of(charge.queue) == pattern]
            room = max(0, most - len(names))
            if room or due:
                answer = store.run(take_called(pattern, room, TURN_JOBS, due))
                self._patterns.heard(pattern, len(answer.queues) + answer.waiting)
                names += [name for name in answer.queues if self._choice.has_turns(name)]
                waiting.append(answer.waiting)
        if waiting:
            self._book.is_pressed = any(waiting) or any(name not in self._book.since_ms for name in names)
        return [*dict.fromkeys(names)]

    def _begin_again(self, queues: Sequence[str]) -> None:
        """Have another turn in queues where it is already."""
        self._twice = [Charge(queue, -TURN_JOBS, None) for queue in queues if queue not in self._order.over]
        for queue in queues:
            if queue in self._order.over:
                self._book.begin(queue, monotonic_ms())

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
        self._book.begin(queue, monotonic_ms())

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
        for queue in queues:
            self._book.forget(queue)
            self._doubtful.add(queue)
