"""Takes envelopes in while all workers are busy, so that what is urgent is in its place when one becomes free.

A worker takes in a hundred between two jobs. Here all of them are, in short turns: nothing else of the lease thread
waits for long.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from jqjobs.errors import StoreError, StoreFull
from jqjobs.jobs.records import new_id_stem
from jqjobs.store.calls import enqueueing
from jqjobs.store.calls.enqueueing import Ingested
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: One turn of the lease thread goes on for so long at most, and a call.
_TURN_S = 0.05
#: Calls of one round trip: on a busy host it is waiting for a turn of the processor that takes long, not the calls.
_AT_ONCE = 4
#: What one call takes in of a longer inbox.
_A_CALL = 100


class Inboxes:
    """The inboxes that are known to have something. Who saw it says so with `note`."""

    def __init__(self, store: Store, nodes: SilentNodes) -> None:
        self._store = store
        self._nodes = nodes
        #: How many envelopes were left when last looked, by queue, the one first whose turn it is.
        self._filled: dict[str, int] = {}

    @property
    def are_filled(self) -> bool:
        """Whether any is known to have something."""
        return bool(self._filled)

    def note(self, queues: Iterable[str]) -> None:
        """Have the inboxes of these queues emptied."""
        for name in queues:
            self._filled.setdefault(name, 1)

    def take_in(self) -> None:
        """Take envelopes in, some calls from each inbox by turns, until they are empty or the time is over.

        Raises: StoreError, at the end. The inbox is left alone then, until it is noted again.
        """
        until_s, problems = time.monotonic() + _TURN_S, list[StoreError]()
        while self._filled and time.monotonic() < until_s:
            name = next(iter(self._filled))
            left = self._filled.pop(name)
            calls = [enqueueing.ingest(name, new_id_stem()) for _ in range(min(_AT_ONCE, -(-left // _A_CALL)))]
            problems += self._hear(name, self._store.run_many(calls), until_s)
        raise_first(problems)

    def _hear(self, name: str, answers: Sequence[Ingested | StoreError], until_s: float) -> list[StoreError]:
        """Note what is left of an inbox, and bring away what has left its queue; return what went wrong."""
        # Where there is no memory for them the envelopes stay where they are.
        problems = [each for each in answers if isinstance(each, StoreError) and not isinstance(each, StoreFull)]
        last = answers[-1]
        if isinstance(last, StoreError):
            return problems
        if last.left:
            self._filled[name] = last.left
        if last.leaving:
            try:
                _, left = run_steps(self._nodes.run, deliver_flow(name, until_s=until_s))
                if left:
                    self.note([name])
            except StoreError as problem:
                problems.append(problem)
        return problems
