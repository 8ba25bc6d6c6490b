"""Room in memory for jobs that were registered with a need: the daemon grants it, to one job after the other."""

from __future__ import annotations

import random
from enum import StrEnum

from jqjobs.base.clock import monotonic_ms
from jqjobs.jobs import not_run
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.worker.attempts.classifier import Classifier
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.trips.wake_wait import WakeWait

#: A job for which there is no room now comes up again after this long, here or elsewhere.
_AGAIN_MS = 2000
#: The daemon's main loop answers within milliseconds; a stopped daemon answers nobody.
_ANSWER_S = 5.0


class RoomAnswer(StrEnum):
    """The daemon's answer about one job."""

    GRANTED = "granted"
    LATER = "later"
    NEVER = "never"


class MemoryGrants:
    """Asks for room, in the thread of the loop."""

    def __init__(
        self,
        instructions: Instructions,
        wake_wait: WakeWait,
        classifier: Classifier,
        rng: random.Random,
        *,
        jitter: float,
    ) -> None:
        self._instructions = instructions
        self._wake_wait = wake_wait
        self._classifier = classifier
        self._rng = rng
        self._jitter = jitter

    def refusal(self, job: TakenJob) -> Outcome | None:
        """Return how a job ends, for now or for good, that has no room in memory; None when it has."""
        answer = self.ask(job.id, job.memory_bytes)
        if answer is RoomAnswer.NEVER:
            return self._classifier.oversized(job, self._instructions.room_bytes)
        if answer is RoomAnswer.LATER:
            delay_ms = round(_AGAIN_MS * self._rng.uniform(1 - self._jitter, 1 + self._jitter))
            return not_run.deferred(job, delay_ms=delay_ms)
        return None

    def ask(self, job_id: str, need_bytes: int) -> RoomAnswer:
        """Ask the daemon whether a job that needs so much may start. No answer counts as "later"."""
        channel = self._instructions.channel
        channel.send("room", job=job_id, need_bytes=need_bytes)
        until_ms = monotonic_ms() + _ANSWER_S * 1000
        while (left_ms := until_ms - monotonic_ms()) > 0 and not channel.closed:
            self._instructions.hear()
            if (answer := self._instructions.take_room(job_id)) is not None:
                return RoomAnswer(answer)
            self._wake_wait.wait_for_word(left_ms / 1000)
        return RoomAnswer.LATER
