"""What became of new jobs that were sent in portions: which are stored, and, when an error came, which may be.

Called by all who enqueue; they differ only in how a portion is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from jqjobs.errors import NotReplicated, Repartitioned, StoreError
from jqjobs.jobs.partitions import queue_of
from jqjobs.jobs.records import Enqueued, NewJob

Answer = list[Enqueued] | StoreError


def delivered(
    queue: str, jobs: Sequence[NewJob], portions: Sequence[Sequence[NewJob]], answers: Sequence[Answer]
) -> list[Enqueued]:
    """Return what became of jobs, all of which were sent. Raises: the first error, when there is one."""
    for answer in answers:
        if isinstance(answer, StoreError):
            raise undelivered(answer, queue, jobs, portions, answers) from answer
    return [made for answer in answers if not isinstance(answer, StoreError) for made in answer]


def undelivered(
    error: StoreError, queue: str, jobs: Sequence[NewJob], portions: Sequence[Sequence[NewJob]] = (),
    answers: Sequence[Answer] = (),
) -> StoreError:  # fmt: skip
    """Return an error as its producer needs it: with the ids of all jobs, and what is known of each.

    ``answers``: of the first portions; the others were not sent.
    """
    stored: list[str] = []
    unknown: list[str] = []
    for portion, answer in zip(portions, answers, strict=False):
        if isinstance(answer, NotReplicated) or not isinstance(answer, StoreError):
            stored += [job.id for job in portion]
        elif answer.unanswered:
            unknown += [job.id for job in portion]
    known = {*stored, *unknown}
    unsent = [job.id for job in jobs if job.id not in known]
    what, hint = _words(queue, jobs, stored, unknown)
    told = type(error)(
        f"{error.message}; {what}", hint or error.hint, unanswered=error.unanswered, reason=error.reason,
        ids=tuple([job.id for job in jobs]), stored=tuple(stored), unknown=tuple(unknown), unsent=tuple(unsent),
    )  # fmt: skip
    if isinstance(told, Repartitioned):  # what was sent ahead of its answer may be there too, and is asked for again
        told.made = tuple(_made(takewhile(lambda answer: not isinstance(answer, StoreError), answers)))
    before = _made(answers)
    if isinstance(error, NotReplicated) and isinstance(told, NotReplicated):
        told.made, told.wanted, told.reached = (*before, *error.made), error.wanted, error.reached
    return told


def _made(answers: Iterable[Answer]) -> list[Enqueued]:
    return [made for answer in answers if not isinstance(answer, StoreError) for made in answer]


def _words(queue: str, jobs: Sequence[NewJob], stored: Sequence[str], unknown: Sequence[str]) -> tuple[str, str]:
    """Return what is known of the jobs, and what to do about it; "": what the error says already."""
    queue = queue_of(queue)
    if len(jobs) == 1:
        ref = f"{queue}/{jobs[0].id}"
        if stored:
            return f"job {ref} is stored", ""
        if not unknown:
            return f"job {ref} is not stored", ""
        look = f"app.handle({ref!r}).state() looks; the same id again adds nothing while the job is there"
        return f"job {ref} may be stored", look
    left = len(jobs) - len(stored) - len(unknown)
    what = f"of {len(jobs)} jobs for {queue} {len(stored)} are stored, {len(unknown)} may be, {left} are not"
    return what, "the error names them: stored, unknown, unsent" if stored or unknown else ""
