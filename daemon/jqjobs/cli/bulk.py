"""Several jobs at once, for `job retry` and `job cancel`: those that are named, or all of a queue in one state.

Owns how they are gone through and how far that got; what is done to them, and how that is told, is the command's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from jqjobs.cli.exit_codes import Exit, exit_of
from jqjobs.cli.output import complain, write_error
from jqjobs.cli.session import Session, require_queue
from jqjobs.errors import Conflict, JqError, NotFound
from jqjobs.jobs.records import parse_ref
from jqjobs.store.reads.jobs import JobRow, job_list
from jqjobs.store.store import Store

T = TypeVar("T")

#: Jobs that are looked at, and changed, by one script call.
CHUNK = 50


class Refused(NamedTuple):
    """A job that was named, and why nothing was done to it."""

    job: str
    why: JqError

    def as_json(self) -> dict[str, str]:
        """Return the JSON value that ``--json`` shows."""
        return {"job": self.job, "code": self.why.code, "message": self.why.message}


def each_named(session: Session, jobs: Sequence[str], act: Callable[[Store, str], T]) -> tuple[list[T], list[Refused]]:
    """Do something to each job that is named; what came of it, and which refused. Raises: InvalidName before that."""
    for job in jobs:
        parse_ref(job)  # a mistyped one is found before anything is done to the first one
    done: list[T] = []
    refused: list[Refused] = []
    with session.store() as store:
        for job in jobs:
            try:
                done.append(act(store, job))
            except (NotFound, Conflict) as error:
                refused.append(Refused(job, error))
    return done, refused


def complain_of(session: Session, refused: Sequence[Refused]) -> int:
    """Say on stderr which jobs refused; return the exit code."""
    for each in refused:
        write_error(each.why, as_json=session.as_json)
    return max((exit_of(each.why) for each in refused), default=Exit.OK)


@dataclass
class Tally:
    """How far a command got with all jobs of a state: how many there were, and what came of those it has seen.

    ``words``: says that to a person.
    """

    words: Callable[[Tally], str]
    total: int = 0
    came_of: Counter[Any] = field(default_factory=Counter)

    def __str__(self) -> str:
        return self.words(self)


def all_in_state(session: Session, queue: str, tally: Tally, act: Callable[[Store], None]) -> None:
    """Let ``act`` go through the jobs of a queue; where it is stopped early, say how far it got. Raises: NotFound."""
    with session.store() as store:
        require_queue(store, queue)
        try:
            act(store)
        except (KeyboardInterrupt, JqError):
            complain(f"jqctl: stopped early: {tally}")
            raise


def pages(
    store: Store, queue: str, state: str, tally: Tally, left_there: Callable[[], int] = lambda: 0
) -> Iterator[Sequence[JobRow]]:
    """Yield the jobs of a state, a bounded number at a time, no more than there are at the start.

    So it ends although others come meanwhile. ``left_there``: how many of those yielded are in that state still.
    """
    tally.total = left = store.run(job_list(queue, state, 0, 0)).total
    while left > 0 and (rows := store.run(job_list(queue, state, left_there(), min(CHUNK, left))).rows):
        left -= len(rows)
        yield rows
