"""Brings away what leaves a queue with the end of a job: a step of another queue, a word to a batch that is kept there.

A worker does it at once after the trip that has settled the job; where it does not get to it, a daemon does, 2 s later.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from jqjobs.errors import StoreError
from jqjobs.jobs.flow import Flow
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls.bringing import deliver_flow
from jqjobs.store.silent_nodes import SilentNodes
from jqjobs.store.steps import run_steps


class PassingOn:
    """One a worker. ``queues``: from which something may have to be brought away."""

    def __init__(self, nodes: SilentNodes) -> None:
        self._nodes = nodes
        self.queues: set[str] = set()

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Note what a trip reports."""
        self.queues |= {outcome.job.queue for outcome in outcomes if outcome.job.flow and _leads_on(outcome.job)}

    def do(self) -> None:
        """Bring it away."""
        while self.queues:
            with suppress(StoreError):  # a daemon goes on from there
                run_steps(self._nodes.run, deliver_flow(self.queues.pop()))


def _leads_on(job: TakenJob) -> bool:
    return Flow.THEN in job.flow or job.batch.lstrip("+").partition("/")[0] != job.queue
