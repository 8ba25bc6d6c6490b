"""Partitions of a queue: which there are, and to which a new job goes. Every call needs one slot only.

    read_partitions   home     which there are now
    set_partitions    home     others; from then on the home takes no new jobs of producers
    close_place       former   it takes no new ones any more; is a job here?

What is new may therefore go to its place of now as soon as it is in none of the former ones: whoever knows other
partitions by then is refused there (lua/rules/partitions.lua), and looks anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from jqjobs.jobs.partitions import Partitions, queue_of, spread_word
from jqjobs.jobs.records import NewJob
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.reply_values import text, truth
from jqjobs.store.scripts import script
from jqjobs.store.steps import Steps

#: One call asks a former place after so many jobs at most.
_MOST_ASKED = 200


def partitions(queue: str) -> Call[Partitions | None]:
    """Return the partitions of a queue, None when it has none."""

    def parse(reply: Any) -> Partitions | None:
        return None if reply is None else Partitions.parse(queue, text(reply))

    return Call(script("read_partitions"), (keys.meta(queue),), ("",), parse, repeatable=True)


def set_partitions(now: Partitions, before: Partitions | None) -> Call[bool]:
    """Have a queue have these partitions; False: it has others than ``before`` by now."""
    args = ("", before.text if before else "", now.text)
    return Call(script("set_partitions"), (keys.meta(now.queue),), args, truth)


def close_place(place: str, now: Partitions, jobs: Sequence[tuple[str, str]]) -> Call[list[bool]]:
    """Say of jobs, id and key, which are in a former place; from now on that takes no new ones."""
    words = [word for job in jobs for word in job]
    return Call(
        script("close_place"), (keys.meta(place),), ("", now.text, *words), lambda reply: [item == 1 for item in reply],
        repeatable=True,
    )  # fmt: skip


def places_of(queue: str) -> Steps[list[str]]:
    """Return everywhere that jobs of a queue may be: alone itself when it has no partitions, or is one."""
    known: Partitions | None = None if queue_of(queue) != queue else (yield partitions(queue))
    return known.places if known else [queue]


def destinations(known: Partitions, jobs: Sequence[NewJob]) -> Steps[list[str]]:
    """Return where each of new jobs goes: where it was enqueued before, if it is there still. Raises: InvalidOption."""
    words = [word_of(job) for job in jobs]
    found: dict[int, str] = {}
    candidates = sorted(
        (place, number)
        for number, (job, word) in enumerate(zip(jobs, words, strict=True))
        if job.key or not job.is_fresh
        for place in known.former_places(word)
    )
    for place, group in groupby(candidates, key=lambda pair: pair[0]):
        numbers = [number for _, number in group if number not in found]
        for at in range(0, len(numbers), _MOST_ASKED):
            asked = numbers[at : at + _MOST_ASKED]
            answers = yield close_place(place, known, [(jobs[number].id, jobs[number].key) for number in asked])
            found |= {number: place for number, is_here in zip(asked, answers, strict=True) if is_here}
    return [found.get(number) or known.place(word) for number, word in enumerate(words)]


def word_of(job: NewJob) -> str:
    """Return what decides in which partition a new job is. Raises: InvalidOption."""
    group = next(
        (str(value) for name, value in zip(job.fields[::2], job.fields[1::2], strict=True) if name == "fair"), ""
    )
    return spread_word(job.id, job.key, group)
