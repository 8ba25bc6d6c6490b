"""Finds what somebody has typed or pasted: the id of a job in any queue, ``queue/id``, or the name of a queue."""

from __future__ import annotations

from jqjobs.errors import InvalidName
from jqjobs.jobs.flow import BatchState
from jqjobs.jobs.records import parse_ref
from jqjobs.store.calls.batches import batch_status
from jqjobs.store.reads.catalog import read_offers
from jqjobs.store.reads.jobs import job_info
from jqjobs.store.reads.queues import queues_with
from jqjobs.web.http import Response, redirect
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.visit import Visit

#: No id, and no name, has more characters than this.
_MOST_WORDS = 300


def find(visit: Visit) -> Response:
    """Go to what is meant, or say that there is nothing of it."""
    words = visit.request.asked("q").strip()[:_MOST_WORDS]
    try:
        queue, job_id = parse_ref(words)
    except InvalidName:
        return _nothing(visit, words)
    if queue:
        return redirect(_job_or_batch(visit, queue, job_id))
    if job_id in {status.name for status in visit.snapshot().status.queues}:
        return redirect(visit.url(path_of("queues", job_id)))
    found = queues_with(visit.store, job_id)
    if len(found) == 1:
        return redirect(job_url(visit, found[0], job_id))
    if found:
        return visit.page(
            "find.html", words=words, jobs=[(each, job_url(visit, each, job_id)) for each in found], names=()
        )
    return _nothing(visit, words)


def _job_or_batch(visit: Visit, queue: str, found: str) -> str:
    is_batch = visit.run(batch_status(queue, found)).state is not BatchState.UNKNOWN
    if is_batch and visit.run(job_info(queue, found)) is None:
        return visit.url(path_of("batches", queue, found))
    return job_url(visit, queue, found)


def _nothing(visit: Visit, words: str) -> Response:
    """Offer the lists of jobs that have a name like that."""
    names = [
        (offer.name, visit.url("/jobs", queue=offer.queue, name=offer.name), offer.queue)
        for offer in read_offers(visit.store) if words and words.lower() in offer.name.lower()
    ]  # fmt: skip
    return visit.page("find.html", words=words, jobs=(), names=names, status=200 if names or not words else 404)
