"""The queues that a daemon serves by patterns: which there are, where anything is to be done, and who is called there.

Any number of them, of which most have nothing at any moment. So they are looked at together, a question for each, and
only those with something are treated as named queues are. Of all daemons with the same patterns one does that, once a
second; what is to be served goes into the wake sets of the patterns, where workers wait.

    jq:{~}:queues ─▶ known ─▶ stirring: anything is there ─▶ housekeeping ─▶ token stands ─▶ wake set
         ▲               └ between two looks: `token_watch`                 └ when something is due next: again then
         └ names of inboxes, once a minute (`inbox_names`)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.leases.housekeeping import Housekeeping
from jqjobs.daemon.leases.inbox_names import InboxNames
from jqjobs.daemon.leases.token_watch import TokenWatch
from jqjobs.errors import StoreError
from jqjobs.link.queue_choice import QueueChoice, is_like
from jqjobs.store import keys
from jqjobs.store.calls.turns import call_workers, claim_round
from jqjobs.store.going_on import go_on_after
from jqjobs.store.reads.presence import without_any
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: So often it is looked whether there is anything to do; by a daemon that leaves it to another one, less often.
_LOOK_EVERY_MS, GO_ON_EVERY_S = 950, 0.5
_LEFT_TO_OTHERS_MS = 10_000
#: Who has not looked for so long leaves it to others.
_APART_MS = 2500
#: What retention forgets nobody waits for: the queues that do nothing have housekeeping in so many looks.
_LOOKS_A_LAP = 60
#: A queue without any of these has nothing that a worker or a daemon is needed for.
_PARTS = (
    "ready", "inbox", "scheduled", "suspects", "leases", "parked", "waiting", "transfers", "notices", "hooks",
    "schedule", "comes",
)  # fmt: skip


class PatternQueues:
    """Those of one daemon, on the connection of its lease thread, and in it.

    ``known``: all of them. ``stirring``: those where anything is.
    """

    def __init__(self, store: Store, choice: QueueChoice, daemon_id: str, housekeeping: Housekeeping) -> None:
        self._store = store
        self._choice = choice
        self._daemon_id = daemon_id
        self._housekeeping = housekeeping
        self._inbox_names = InboxNames(store, choice)
        self.known: list[str] = []
        self._names_count = -1
        self._lap = 0
        self._due_ms: dict[str, int] = {}
        self._looked_ms = -_LEFT_TO_OTHERS_MS
        self._next_ms = 0
        self.stirring: frozenset[str] = frozenset()
        #: Those that have had anything, the last ones last.
        self._recent: dict[str, None] = {}
        self._watch: TokenWatch | None = None

    def begin_watch(self) -> None:
        """Hear of jobs between two looks, on a thread of its own."""
        if self._store.address.cluster:
            return
        try:
            watch = TokenWatch(self._store.address, self._choice.patterns)
            watch.start()
        except (OSError, RuntimeError):  # neither a descriptor nor a thread is left: without it the look is all
            return
        self._watch = watch

    def end_watch(self) -> None:
        """End that thread."""
        if self._watch is not None:
            self._watch.end()

    def go_on(self) -> float | None:
        """Look at all of them, if that is due, and see to those where something is due.

        Returns in how many seconds something is due next, None: not before the next look. Raises: StoreError.
        """
        if monotonic_ms() >= self._next_ms:
            self._next_ms = monotonic_ms() + _LOOK_EVERY_MS
            self.look()
        self.see_to_due()
        return self.due_in_s

    def look(self) -> None:
        """Look at all of them, if it is this daemon's turn; at those that are known, where nobody can be asked that.

        Raises: StoreError, at the end.
        """
        now_ms, is_mine, unasked = monotonic_ms(), True, None
        try:
            is_mine = self._store.run(claim_round(",".join(self._choice.patterns), self._daemon_id, _APART_MS))
            if is_due := is_mine or now_ms - self._looked_ms >= _LEFT_TO_OTHERS_MS:
                self._learn()
        except StoreError as error:
            go_on_after(error, self._store)
            is_due, unasked = True, error
        if is_due:
            self._look_at_known()
            self._looked_ms = now_ms
        if is_mine:
            self._see_to([*self.stirring, *self._next_of_lap()])
            self._inbox_names.look()
        if self._watch is not None:
            self._watch.watch(self._freshest() if is_mine else ())
        raise_first([unasked])

    def _freshest(self) -> list[str]:
        """Return all of them, first those that had something last: where there are very many, others go unwatched."""
        self._recent = dict.fromkeys([*[queue for queue in self._recent if queue not in self.stirring], *self.stirring])
        return [*dict.fromkeys([*reversed(self._recent), *self.known])]

    @property
    def due_in_s(self) -> float | None:
        """In how many seconds something is due next; None: not before the next look."""
        return max(0, min(self._due_ms.values()) - monotonic_ms()) / 1000 if self._due_ms else None

    def see_to_due(self) -> None:
        """See to those where something is due by now. Raises: StoreError."""
        now_ms = monotonic_ms()
        if due := [queue for queue, due_ms in self._due_ms.items() if due_ms <= now_ms]:
            for queue in due:
                del self._due_ms[queue]
            self._see_to(due, is_due=True)

    def with_named(self, named: Iterable[str]) -> list[str]:
        """Return these queues and those where anything is, sorted: all that a daemon looks after now."""
        return sorted({*named, *self.stirring})

    def find_stirring(self) -> None:
        """Find out which of them have anything. Raises: StoreError."""
        if self._choice.patterns:
            self._learn()
            self._look_at_known()

    def _look_at_known(self) -> None:
        self.stirring = frozenset(self.known).difference(without_any(self._store, self.known, _PARTS))

    def _learn(self) -> None:
        """Read the names of all queues anew when there are more of them."""
        count = int(self._store.wire.call("SCARD", self._store.address.key(keys.QUEUES)))
        if count != self._names_count:
            self.known = [name for name in self._store.queues() if self._choice.has_turns(name)]
            self._names_count = count
            self._housekeeping.served = len(self._choice.names) + len(self.known)

    def _next_of_lap(self) -> list[str]:
        self._lap = (self._lap + 1) % _LOOKS_A_LAP
        return [queue for queue in self.known[self._lap :: _LOOKS_A_LAP] if queue not in self.stirring]

    def _see_to(self, queues: Sequence[str], *, is_due: bool = False) -> None:
        """Keep house there, and call workers to where there is something to take."""
        now_ms, problem = monotonic_ms(), None
        try:
            due_in_ms = self._housekeeping.keep_house(queues, is_due=is_due)
            self._due_ms |= {queue: now_ms + in_ms for queue, in_ms in due_in_ms.items()}
        except StoreError as error:  # of one queue, maybe: others are to be called to all the same
            problem = error
        # No token stands for suspects, which not each worker takes, nor for hooks.
        nobody_waits = set(without_any(self._store, queues, ("wake", "suspects", "hooks")))
        waiting = [queue for queue in queues if queue not in nobody_waits]
        for pattern in self._choice.patterns:
            if mine := [queue for queue in waiting if is_like(queue, [pattern])]:
                self._store.run(call_workers(pattern, mine))
        if problem is not None:
            raise problem
