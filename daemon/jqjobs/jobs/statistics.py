"""What is counted of the jobs of one name: how many began, how they ended, how long they waited and ran.

Workers count (`worker.slots.job_statistics`), the store adds up, `store.reads.statistics` reads. Durations are counted
in buckets whose bounds double: a percentile is right to a factor of two, and what many workers counted can be added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind

SMALLEST_MS = 5
#: Upper bounds of the buckets: 5 ms, doubled until an hour is within. What took longer is in one bucket more.
BOUNDS_MS = tuple(SMALLEST_MS << n for n in range(21))
BUCKETS = len(BOUNDS_MS) + 1

#: So many ends of attempts are remembered of a queue, the last ones.
MOST_RECENT = 100

#: Under this name the jobs of all further names of a queue are counted.
OTHER = "other"


class Ended(StrEnum):
    """How an attempt ended, in the words that people and tools are told."""

    DONE = "done"
    RETRIED = "retried"  #: it raised, and is tried again
    FAILED = "failed"  #: it raised for the last time
    HUNG = "hung"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"
    EXPIRED = "expired"  #: it was not started in time
    INTERRUPTED = "interrupted"
    WAITING = "waiting"  #: it handed its work to a third party
    SNOOZED = "snoozed"  #: it asked to run later


#: Kinds that are no end of an attempt are not here: it did not begin.
_ENDED = {
    Kind.DONE: Ended.DONE, Kind.KEPT: Ended.DONE, Kind.FAILED: Ended.RETRIED, Kind.HUNG: Ended.HUNG,
    Kind.DISCARDED: Ended.DISCARDED, Kind.CANCELLED: Ended.CANCELLED, Kind.INTERRUPTED: Ended.INTERRUPTED,
    Kind.WAITING: Ended.WAITING, Kind.SNOOZED: Ended.SNOOZED,
}  # fmt: skip


def end_of(outcome: Outcome | None) -> Ended | None:
    """Return how an attempt ended, None when it did not begin; ``outcome`` None: a success with nothing to say."""
    if outcome is None:
        return Ended.DONE
    return Ended.FAILED if outcome.kind is Kind.FAILED and outcome.is_last else _ENDED.get(outcome.kind)


def bucket_of(ms: int) -> int:
    """Return in which bucket a duration in whole ms is counted: the first one whose bound is above it."""
    return min((ms // SMALLEST_MS).bit_length(), BUCKETS - 1)


def end_line(job_id: str, name: str, ended: Ended, run_ms: int, wait_ms: int | None) -> str:
    """Return the end of an attempt as the store remembers it; ``wait_ms`` None: nobody knows."""
    return f"{job_id} {name} {ended} {run_ms} {'-' if wait_ms is None else wait_ms}"


def added(many: Iterable[Sequence[int]]) -> list[int]:
    """Return counts of the same buckets as one; none of none."""
    return [sum(counts) for counts in zip(*many, strict=True)]


def percentile_ms(counts: Sequence[int], share: float) -> int | None:
    """Return the bound under which that share of durations lies; None when there are none.

    Of what is in the last bucket only the largest bound is known.
    """
    wanted = share * sum(counts)
    if not wanted:
        return None
    passed = 0
    for bound, count in zip(BOUNDS_MS, counts, strict=False):
        passed += count
        if passed >= wanted:
            return bound
    return BOUNDS_MS[-1]
