"""Sees to it that all partitions of a daemon's queues are served: workers that know fewer of them are replaced, and
those that began without a queue, since its node of a cluster was lost, once that is served again.

Of queues by pattern partitions have turns, as these queues have; nobody need be replaced.

What Redis has forgotten while we ran (FLUSHALL) it is told again: producers go by what they know. Places that have no
jobs any more are forgotten in time; envelopes that come to such a one all the same are taken in, and go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from jqjobs.daemon.lease_messages import Join, LeaseEvent
from jqjobs.daemon.leases.inboxes import Inboxes
from jqjobs.daemon.leases.pattern_queues import PatternQueues
from jqjobs.jobs.partitions import Partitions, partition_of, queue_of
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.partitioning import restore, tidy
from jqjobs.store.reads.presence import without_setting
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

_TIDY_EVERY_S = 60.0
#: A successor may be refused; then it is tried again no sooner.
_REPLACE_EVERY_S = 60.0


class PartitionWatch:
    """One per daemon, in its lease thread. ``joined``: the workers that have a lease; ``tell``: see `LeaseKeeper`."""

    def __init__(
        self, store: Store, joined: Mapping[str, Join], patterns: PatternQueues, inboxes: Inboxes,
        tell: Callable[[LeaseEvent], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._joined = joined
        self._patterns = patterns
        self._inboxes = inboxes
        self._tell = tell
        #: Queues where leases could not be renewed when that was tried last.
        self.unserved: set[str] = set()
        self._known: dict[str, Partitions] = {}
        self._tidied_s = time.monotonic()
        #: When it was told of which worker that it has outgrown what it serves.
        self._told_s: dict[str, float] = {}

    def look(self) -> None:
        """Look which partitions there are by now. Raises: StoreError, at the end."""
        queues = self._with_partitions(self._queues())
        answers = self._store.run_many([partitions(queue) for queue in queues])
        for queue, answer in zip(queues, answers, strict=True):
            if isinstance(answer, Partitions):
                self._known[queue] = answer
            elif answer is None and queue in self._known:
                run_steps(self._store.run, restore(self._known[queue]))
        self._replace_outgrown()
        if time.monotonic() - self._tidied_s >= _TIDY_EVERY_S:
            self.tidy()
        raise_first(answers)

    def _with_partitions(self, queues: Sequence[str]) -> list[str]:
        """Return those that have partitions, or had: most have none, and all daemons ask, so that costs little."""
        without = set(without_setting(self._store, queues, "partitions"))
        return [queue for queue in queues if queue not in without or queue in self._known]

    def _queues(self) -> list[str]:
        named = [place for join in self._joined.values() for place in join.queues]
        by_turn = [place for place in self._patterns.known if partition_of(place)]
        return sorted({*self._known, *map(queue_of, [*named, *by_turn])})

    def _replace_outgrown(self) -> None:
        now_s = time.monotonic()
        self._told_s = {worker: at_s for worker, at_s in self._told_s.items() if now_s - at_s < _REPLACE_EVERY_S}
        for join in self._joined.values():
            if join.worker_id not in self._told_s and (why := self._why_outgrown(join)):
                self._told_s[join.worker_id] = now_s
                self._tell(LeaseEvent("outgrown", join.worker_id, why))

    def _why_outgrown(self, join: Join) -> str:
        """Return why a worker does not serve all that it should, "" when it does."""
        if not self.unserved.issuperset(join.missing):
            return "queues"
        needed = [self._known[queue].places for queue in {*map(queue_of, join.queues)} if queue in self._known]
        return "" if {place for places in needed for place in places} <= set(join.queues) else "partitions"

    def tidy(self) -> None:
        """Have places forgotten that have no jobs any more, and their inboxes looked into. Raises: StoreError."""
        self._tidied_s = time.monotonic()
        for known in self._known.values():
            self._inboxes.note(known.forgotten)
        for queue in [queue for queue, known in self._known.items() if known.former]:
            run_steps(self._store.run, tidy(queue))
