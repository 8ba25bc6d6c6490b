"""What stands around a job: the step of its chain before it, those to come, the batches that it has to do with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jqjobs.operations.steps import steps_in_words
from jqjobs.store.reads.jobs import JobInfo, job_info
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.visit import Visit


class Chain(NamedTuple):
    """A job as step ``number`` of ``total``. ``before``: the id of the step before it, "" for none.

    ``after``: the steps to come; ``next_url``: of the first of them, "" before it has begun.
    """

    number: int
    total: int
    before: str
    before_url: str
    after: Sequence[str]
    next_url: str


def chain_of(visit: Visit, job: JobInfo) -> Chain | None:
    """Return the chain of a job, None when nothing comes before or after it."""
    number = max(1, job.step or 1)
    if number == 1 and not job.then:
        return None
    root = job.id.removesuffix(f".{number}") if number > 1 else job.id
    before = "" if number == 1 else root if number == 2 else f"{root}.{number - 1}"
    return Chain(
        number, number + len(job.then), before, _found(visit, job.queue, before) if before else "",
        steps_in_words(job.then, job.queue), _next_url(visit, job, f"{root}.{number + 1}"),
    )  # fmt: skip


def _found(visit: Visit, queue: str, job_id: str) -> str:
    """Return the address of a job that is most likely in this queue; else of who looks in all of them."""
    return job_url(visit, queue, job_id) if visit.run(job_info(queue, job_id)) else visit.url("/find", q=job_id)


def _next_url(visit: Visit, job: JobInfo, next_id: str) -> str:
    if not job.then or job.state != "kept":
        return ""
    first = job.then[0]
    return visit.url(path_of("batches" if first.is_list else "jobs", first.queue or job.queue, next_id))


def batch_url(visit: Visit, ref: str | None) -> str:
    """Return the address of a batch by its ``queue/id``, "" when that is none."""
    queue, slash, batch_id = (ref or "").partition("/")
    return visit.url(path_of("batches", queue, batch_id)) if slash else ""
