"""What the dead jobs died of, by groups of errors that differ in nothing but values; and acts on all of a group."""

from __future__ import annotations

from typing import NamedTuple

from jqjobs.operations.queues import require_queue
from jqjobs.store.reads.error_groups import OTHER, ErrorGroup, error_groups
from jqjobs.web.http import Response
from jqjobs.web.pages.links import job_url, path_of
from jqjobs.web.visit import Visit

_MOST_GROUPS = 200


class GroupRow(NamedTuple):
    """A group. ``list_url``: the jobs of it, ""  where nothing that can be searched for tells them from others."""

    group: ErrorGroup
    words: str
    sample_url: str
    list_url: str
    retry_url: str
    delete_url: str
    queue_url: str


def errors(visit: Visit) -> Response:
    """Show the groups of one queue, or of all that have dead jobs."""
    queue, report = visit.request.asked("queue"), visit.snapshot()
    if queue:
        require_queue(visit.store, queue)
    queues = [queue] if queue else [each.name for each in report.status.queues if each.dead]
    groups = error_groups(visit.store, queues)
    dead = sum(group.dead for group in groups)
    return visit.page(
        "errors.html", groups=[_row(visit, group) for group in groups[:_MOST_GROUPS]], queue=queue, dead=dead,
        left_out=max(0, len(groups) - _MOST_GROUPS), now_ms=report.now_ms,
    )  # fmt: skip


def _row(visit: Visit, group: ErrorGroup) -> GroupRow:
    said = {"queue": group.queue, "state": "dead", "name": group.name, "error": error_part(group)}
    is_told = group.fingerprint != OTHER and bool(said["error"] or group.name)
    retry_url, delete_url = (visit.url("/jobs/bulk", act=act, **said) if is_told else "" for act in ("retry", "delete"))
    return GroupRow(
        group, group.in_words(), job_url(visit, group.queue, group.sample_id) if group.sample_id else "",
        visit.url("/jobs", **said) if is_told else "", retry_url, delete_url,
        visit.url(path_of("queues", group.queue)),
    )  # fmt: skip


def error_part(group: ErrorGroup) -> str | None:
    """Return what a search for the jobs of a group asks of their errors: the longest part without values.

    Jobs whose end no worker reported have a reason instead.
    """
    reason, _, is_unreported = group.fingerprint.rpartition(":")
    if is_unreported:
        return reason or None
    parts = [part.strip(" :;,.()'\"") for part in (group.error or "").split("#")]
    return max(parts, key=len, default="") or None
