"""Stores jobs of a queue with partitions: each in its own, in one call for those that go together.

Which partitions there are is read when Redis says that what was known of them is wrong, and never else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from jqjobs.errors import NotReplicated, Repartitioned, StoreError
from jqjobs.jobs.partitions import Partitions
from jqjobs.jobs.records import Enqueued, NewJob
from jqjobs.store.calls import enqueueing
from jqjobs.store.calls.deliveries import Answer, undelivered
from jqjobs.store.calls.partitions import destinations, partitions
from jqjobs.store.replication import Wait
from jqjobs.store.steps import Steps

#: `enqueue_many` sends this many jobs, or this many bytes, a round trip.
CHUNK_JOBS = 200
CHUNK_BYTES = 512 * 1024
#: So often in a row they may be others than they were a moment ago.
_MOST_LOOKS = 5


def chunks(jobs: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    """Cut jobs into portions of one round trip."""
    chunk: list[NewJob] = []
    size = 0
    for job in jobs:
        if chunk and (len(chunk) == CHUNK_JOBS or size + len(job.payload) > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(job)
        size += len(job.payload)
    if chunk:
        yield chunk


class Spreading:
    """One call of a producer, on its way. ``known``: the partitions of queues, which it keeps up to date.

    ``made``: what became of the first jobs, which are stored in the queue itself.
    """

    def __init__(
        self, known: dict[str, Partitions], queue: str, jobs: Sequence[NewJob], wait: Wait | None = None,
        made: Sequence[Enqueued] = (),
    ) -> None:  # fmt: skip
        self._known = known
        self._queue = queue
        self._jobs = jobs
        self._wait = wait
        self._portions: list[Sequence[NewJob]] = [jobs[: len(made)]]
        self._answers: list[Answer] = [list(made)]
        self._made = dict(enumerate(made))

    def enqueue(self) -> Steps[list[Enqueued]]:
        """Store them, and return what became of each, in order. Raises: StoreError and its kinds, InvalidOption."""
        looks = 0
        while refused := (yield from self._send()):
            self._known.pop(self._queue, None)
            looks += 1
            if looks == _MOST_LOOKS:
                raise self._told(refused)
        return [self._made[number] for number in range(len(self._jobs))]

    def _send(self) -> Steps[Repartitioned | None]:
        """Send what is left; return why some of it was not taken. Raises: StoreError and its kinds, InvalidOption."""
        try:
            portions = yield from self._portioned()
        except StoreError as error:
            raise self._told(error) from error
        for place, portion in portions:
            jobs = [self._jobs[number] for number in portion]
            try:
                answer = yield enqueueing.enqueue(place, jobs, self._wait)
            except Repartitioned as refused:
                return refused
            except StoreError as error:
                raise self._told(error, jobs, place) from error
            self._portions.append(jobs)
            self._answers.append(answer)
            for number, made in zip(portion, answer, strict=True):
                made.place = place
                self._made[number] = made
        return None

    def _portioned(self) -> Steps[list[tuple[str, Sequence[int]]]]:
        """Return which of those that are left go where, by their numbers."""
        left = [number for number in range(len(self._jobs)) if number not in self._made]
        if self._queue not in self._known and (found := (yield partitions(self._queue))):
            self._known[self._queue] = found
        known = self._known.get(self._queue)
        jobs = [self._jobs[number] for number in left]
        places = (yield from destinations(known, jobs)) if known else [self._queue] * len(left)
        together: dict[str, list[int]] = defaultdict(list)
        for place, number in zip(places, left, strict=True):
            together[place].append(number)
        return [
            (place, numbers[at : at + len(chunk)])
            for place, numbers in together.items()
            for at, chunk in _counted(chunks([self._jobs[number] for number in numbers]))
        ]

    def _told(self, error: StoreError, portion: Sequence[NewJob] = (), place: str = "") -> StoreError:
        """Return an error as its producer needs it."""
        if isinstance(error, NotReplicated):
            for made in error.made:
                made.place = place
        portions, answers = [*self._portions, portion], [*self._answers, error]
        return undelivered(error, self._queue, self._jobs, portions, answers)


def _counted(portions: Iterable[list[NewJob]]) -> Iterator[tuple[int, list[NewJob]]]:
    """Yield portions, each with how many jobs are in those before it."""
    before = 0
    for portion in portions:
        yield before, portion
        before += len(portion)
