"""What is right once all is over: each promise of batches and chains, looked for in the journal of the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from jqjobs import BatchState


@dataclass
class Journal:
    """When jobs first began and first ended, as numbers of lines; ``attempts``: how often each attempt began."""

    began: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def of(cls, lines: Sequence[str]) -> Journal:
        """Read it."""
        read = cls()
        for number, line in enumerate(lines):
            word, job_id, attempt, _ = line.split()
            (read.began if word == "begin" else read.ended).setdefault(job_id, number)
            if word == "begin":
                read.attempts[job_id, attempt] += 1
        return read

    def doubles(self) -> list[str]:
        """Return attempts that began twice: a job that was made twice counts them from one again."""
        return [f"{job_id} began attempt {attempt} twice" for (job_id, attempt), n in self.attempts.items() if n > 1]

    def is_before(self, first: str, then: str) -> bool:
        """Whether ``first`` had ended when ``then`` began, if that began."""
        return then not in self.began or self.ended.get(first, len(self.began) * 1000) < self.began[then]


@dataclass(frozen=True)
class MadeBatch:
    """A batch; ``survivors``: the ids of the members that are to succeed."""

    id: str
    on_dead: str
    survivors: Sequence[str]


def wrong_with_batch(journal: Journal, made: MadeBatch, state: BatchState) -> Iterator[str]:
    """Tell which promises were broken."""
    then, always = f"{made.id}.then", f"{made.id}.always"
    if state not in (BatchState.SUCCEEDED, BatchState.FAILED):
        yield f"batch {made.id} is stuck: {state}"
    if always not in journal.ended:
        yield f"{always} never came"
    if (then in journal.began) != (state is BatchState.SUCCEEDED):
        yield f"{then} {'came' if then in journal.began else 'never came'}, and the batch is {state}"
    if made.on_dead != "cancel":
        yield from (f"{then} before {each}" for each in made.survivors if not journal.is_before(each, then))
        yield from (f"{each} is lost" for each in made.survivors if each not in journal.ended)


def wrong_with_chain(journal: Journal, steps: Sequence[Sequence[str]]) -> Iterator[str]:
    """Tell which steps did not come, or came too early. ``steps``: the ids of each, several of a list."""
    for before, after in pairwise(steps):
        for first in before:
            yield from (f"{then} before {first}" for then in after if not journal.is_before(first, then))
    yield from (f"{each} is stuck" for step in steps for each in step if each not in journal.ended)
