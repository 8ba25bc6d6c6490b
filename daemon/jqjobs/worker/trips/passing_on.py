"""Brings away what a trip has had leave a queue: a step or callback of another queue, a word to a batch that is kept
there. Where a death has a batch cancel its other members, they are cancelled.

A worker does it at once, for a moment, and goes on after the next trip; where it does not get to it, a daemon does, 2 s
later.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress

from jqjobs.errors import StoreError
from jqjobs.store.calls.flows import deliver_flows
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.steps import run_steps

#: Jobs wait meanwhile.
_FOR_S = 0.05


class PassingOn:
    """One a worker. ``waiting``: from where there is something to be brought away, see `deliver_flows`."""

    def __init__(self, nodes: SilentNodes) -> None:
        self._nodes = nodes
        self.waiting: dict[str, int] = {}

    def note(self, leaving: Iterable[str]) -> None:
        """Note from which queues a trip has had something leave."""
        self.waiting |= dict.fromkeys(leaving, 0)

    def do(self) -> None:
        """Bring it away, as much as there is time for."""
        waiting, self.waiting = self.waiting, {}
        with suppress(StoreError):  # a daemon goes on from there
            _, self.waiting = run_steps(self._nodes.run, deliver_flows(waiting, time.monotonic() + _FOR_S))
