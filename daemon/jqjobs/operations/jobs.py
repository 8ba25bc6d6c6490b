"""Jobs as JSON: a page of them, raw envelopes, all that is known of one."""

from __future__ import annotations

from typing import Any

from jqjobs.operations.steps import steps_json
from jqjobs.store.reads.jobs import JobInfo
from jqjobs.store.reads.raw import RawPage
from jqjobs.store.reads.search import JobPage


def jobs_json(page: JobPage) -> dict[str, Any]:
    """Return a page of jobs as `job list` and the API tell it."""
    cursor = None if page.cursor is None else str(page.cursor)
    rows = [row.as_json() for row in page.rows]
    return {"jobs": rows, "cursor": cursor, "searched": page.searched, "total": page.total}


def raw_json(page: RawPage, queue: str, state: str) -> dict[str, Any]:
    """Return a page of raw envelopes, in the shape of a page of jobs."""
    place = {"id": None, "name": None, "queue": queue, "state": state}
    cursor = None if page.next_offset is None else str(page.next_offset)
    entries = [place | entry._asdict() for entry in page.entries]
    return {"jobs": entries, "cursor": cursor, "searched": len(entries), "total": page.total}


def job_json(info: JobInfo) -> dict[str, Any]:
    """Return all that is known of a job."""
    lists = {"history": [attempt._asdict() for attempt in info.history], "log": [line._asdict() for line in info.log]}
    return info._asdict() | lists | {"then": steps_json(info.then)}
