"""Partitions: one queue that is several inside, each with keys, and in a cluster a slot, of its own. Pure.

`orders` with four of them has `orders~0 … orders~3`. These names are inside only: no `~` may stand in the name of a
queue. Its own keys, its *home*, keep what has no partition: the inbox, schedules, batches.

Another number means other partitions, never the same under a new count: `~4 … ~9` after `~0 … ~3`. So what has a place
keeps it, and the ones before take nothing new, from nobody: a job that has its id or its key there is found there.
"""

from __future__ import annotations

import re
from binascii import crc32
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jqjobs.errors import InvalidOption
from jqjobs.jobs.records import check_name

#: Of a queue at a time; and all places together in which jobs of one queue may be.
MOST_PARTITIONS, MOST_PLACES = 16, 32
_MOST_FORGOTTEN = 1000
_RANGE = re.compile(r"(\d{1,7})\+(\d{1,2})", re.ASCII)
_HOME = "."


def queue_of(place: str) -> str:
    """Return the queue that a place belongs to: ``orders`` of ``orders~3``, and of ``orders``."""
    return place.partition("~")[0]


def partition_of(place: str) -> str | None:
    """Return a place that is a partition; None for what is a queue's home."""
    return place if "~" in place else None


def spread_word(job_id: str, key: str, group: str) -> str:
    """Return what decides in which partition a job is. Raises: InvalidOption."""
    if group and key:
        raise InvalidOption(
            "group does not go with key in a queue of several partitions",
            hint="jobs of a group are in one partition, jobs of a key too: leave one of the two out",
        )
    return group or key or job_id


@dataclass(frozen=True, slots=True)
class Partitions:
    """Those of one queue. ``now``: the numbers of those that take new jobs; ``before``: of those that may have some
    still, the latest first. ``is_home_before``: whether jobs may be in its home that were enqueued before it had any.
    """

    queue: str
    now: range
    before: tuple[range, ...] = ()
    is_home_before: bool = True

    @classmethod
    def parse(cls, queue: str, text: str) -> Partitions | None:
        """Read what `text` wrote; None: it is damaged, and the queue as good as without any."""
        head, *rest = text.split(" ") if text else [""]
        found = [_RANGE.fullmatch(word) for word in (head, *(word for word in rest if word != _HOME))]
        if not all(found):
            return None
        now, *before = [range(int(m[1]), int(m[1]) + int(m[2])) for m in found if m]
        return cls(queue, now, tuple(before), _HOME in rest) if now else None

    @property
    def text(self) -> str:
        """Return it as Redis has it: ``4+6 0+4 .``."""
        ranges = [f"{each.start}+{len(each)}" for each in (self.now, *self.before)]
        return " ".join([*ranges, *([_HOME] if self.is_home_before else [])])

    @property
    def names(self) -> list[str]:
        """Return the partitions that take new jobs."""
        return self._named(self.now)

    @property
    def former(self) -> list[str]:
        """Return where jobs may be that came before: earlier partitions, and maybe its home."""
        return [name for each in self.before for name in self._named(each)] + [self.queue] * self.is_home_before

    @property
    def places(self) -> list[str]:
        """Return everywhere that jobs of the queue may be, its home first."""
        earlier = [name for each in self.before for name in self._named(each)]
        return [self.queue, *self.names, *earlier]

    @property
    def forgotten(self) -> list[str]:
        """Return the last 1,000 partitions that it had and has no more."""
        there = {number for each in (self.now, *self.before) for number in each}
        gone = [number for number in range(self.now.stop) if number not in there]
        return [f"{self.queue}~{number}" for number in gone[-_MOST_FORGOTTEN:]]

    def place(self, word: str) -> str:
        """Return where a new job goes, by its `spread_word`."""
        return self.place_in(self.now, word)

    def former_places(self, word: str) -> Iterator[str]:
        """Yield where it would be if it came before: one place for each earlier number of partitions."""
        yield from (self.place_in(each, word) for each in self.before)
        if self.is_home_before:
            yield self.queue

    def resized(self, count: int) -> Partitions:
        """Return it with another number of partitions. Raises: InvalidOption."""
        start = max(each.stop for each in (self.now, *self.before))
        return Partitions(
            self.queue, _checked(start, count), (self.now, *self.before), self.is_home_before
        )._fitting()  # fmt: skip

    def without(self, empty: Sequence[str]) -> Partitions:
        """Return it without former places that have no jobs any more."""
        before = tuple(each for each in self.before if not set(self._named(each)) <= set(empty))
        return Partitions(self.queue, self.now, before, self.is_home_before and self.queue not in empty)

    def _fitting(self) -> Partitions:
        if len(self.places) > MOST_PLACES:
            raise InvalidOption(
                f"queue {self.queue} would be in {len(self.places)} places, at most {MOST_PLACES} are possible",
                hint="wait until its earlier partitions have no jobs, dead ones included",
            )
        return self

    def _named(self, numbers: range) -> list[str]:
        return [f"{self.queue}~{number}" for number in numbers]

    def place_in(self, numbers: range, word: str) -> str:
        """Return which of some partitions a word chooses."""
        return f"{self.queue}~{numbers.start + crc32(word.encode()) % len(numbers)}"


def with_partitions(queue: str, known: Partitions | None, count: int) -> Partitions:
    """Return what a queue with these, or none, has when it gets so many. Raises: InvalidOption."""
    if known is None:
        return Partitions(queue, _checked(0, count))
    return known if len(known.now) == count else known.resized(count)


def declared_partitions(said: Mapping[str, int]) -> dict[str, int]:
    """Return how many partitions an app wants for its queues. Raises: InvalidName, InvalidOption."""
    return {check_name(queue, "queue"): check_count(count) for queue, count in said.items()}


def check_count(count: int) -> int:
    """Return a number of partitions. Raises: InvalidOption."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_PARTITIONS:
        raise InvalidOption(f"partitions {count!r} is not a number from 1 to {MOST_PARTITIONS}")
    return count


def _checked(start: int, count: int) -> range:
    return range(start, start + check_count(count))
