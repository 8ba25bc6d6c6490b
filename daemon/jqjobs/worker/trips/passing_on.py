"""Brings away what leaves a queue with the end of a job: a step of another queue, a word to a batch that is kept there.
Where a death has a batch cancel its other members, they are cancelled.

A worker does it at once after the trip that has settled the job, for a moment, and goes on after the next trip; where
it does not get to it, a daemon does, 2 s later.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress

from jqjobs.errors import StoreError
from jqjobs.jobs.flow import Flow
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.store.calls.flows import deliver_flows
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.steps import run_steps

#: Of what ends otherwise a batch may have heard that it is dead.
_SUCCESSES = frozenset({Kind.DONE, Kind.KEPT})


#: Jobs wait meanwhile.
_FOR_S = 0.05


class PassingOn:
    """One a worker. ``waiting``: from where something may have to be brought away, see `deliver_flows`."""

    def __init__(self, nodes: SilentNodes) -> None:
        self._nodes = nodes
        self.waiting: dict[str, int] = {}

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Note what a trip reports."""
        for outcome in outcomes:
            if outcome.job.flow and _leads_on(outcome):
                self.waiting[outcome.job.queue] = 0

    def do(self) -> None:
        """Bring it away, as much as there is time for."""
        waiting, self.waiting = self.waiting, {}
        with suppress(StoreError):  # a daemon goes on from there
            _, self.waiting = run_steps(self._nodes.run, deliver_flows(waiting, time.monotonic() + _FOR_S))


def _leads_on(outcome: Outcome) -> bool:
    job = outcome.job
    is_of_here = job.batch.lstrip("+").partition("/")[0] == job.queue
    return Flow.THEN in job.flow or not is_of_here or outcome.kind not in _SUCCESSES
