"""Room in memory for jobs that were registered with a need: the daemon grants it, to one job after the other."""

from __future__ import annotations

import random

from jqjobs.jobs.records import Kind, Outcome, TakenJob
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.worker.attempts.runner import Runner
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.own_memory import OwnMemory, Room
from jqjobs.worker.trips.wake_wait import WakeWait

#: A job for which there is no room now comes up again after this long, here or elsewhere.
_AGAIN_MS = 2000


class MemoryGrants:
    """Asks for room, in the thread of the loop."""

    def __init__(
        self, config: WorkerConfig, preflight: OwnMemory, orders: Instructions, watch: WakeWait, runner: Runner,
        rng: random.Random,
    ) -> None:  # fmt: skip
        self._jitter = config.jitter
        self._preflight = preflight
        self._orders = orders
        self._watch = watch
        self._runner = runner
        self._rng = rng

    def refusal(self, job: TakenJob) -> Outcome | None:
        """Return how a job ends, for now or for good, that has no room in memory; None when it has."""
        room = self._preflight.ask_for_room(job.id, job.memory_bytes, self._orders, self._watch.wait_for_word)
        if room is Room.NEVER:
            return self._runner.oversized(job, self._orders.room_bytes)
        if room is Room.LATER:
            delay_ms = round(_AGAIN_MS * self._rng.uniform(1 - self._jitter, 1 + self._jitter))
            return Outcome(job.queue, job.id, job.attempt, Kind.DEFERRED, delay_ms)
        return None
