"""Takes envelopes in while all workers are busy, so that what is urgent is in its place when one becomes free.

A worker takes in a hundred between two jobs. Here all of them are, in short turns: nothing else of the lease thread
waits for long.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from jqjobs.errors import StoreError, StoreFull
from jqjobs.jobs.records import new_id_stem
from jqjobs.store.calls import enqueueing
from jqjobs.store.calls.batches import deliver_all
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first

#: One turn of the lease thread goes on for so long at most, and a call.
_TURN_S = 0.05


class Inboxes:
    """The inboxes that are known to have something. Who saw it says so with `note`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._filled: list[str] = []

    @property
    def are_filled(self) -> bool:
        """Whether any is known to have something."""
        return bool(self._filled)

    def note(self, queues: Iterable[str]) -> None:
        """Have the inboxes of these queues emptied."""
        self._filled += [name for name in queues if name not in self._filled]

    def take_in(self) -> None:
        """Take envelopes in, a call from each inbox by turns, until they are empty or the time is over.

        Raises: StoreError, at the end. The inbox is left alone then, until it is noted again.
        """
        until_s, problems = time.monotonic() + _TURN_S, []
        while self._filled and time.monotonic() < until_s:
            name = self._filled.pop(0)
            try:
                done = self._store.run(enqueueing.ingest(name, new_id_stem()))
                if done.left:
                    self._filled.append(name)
                if done.leaving:
                    run_steps(self._store.run, deliver_all(name))
            except StoreFull:
                continue  # the envelopes stay where they are until there is memory for them
            except StoreError as problem:
                problems.append(problem)
        raise_first(problems)
