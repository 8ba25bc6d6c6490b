"""The first page: what is wrong, in words, then all queues."""

from __future__ import annotations

from jqjobs.web.http import Response
from jqjobs.web.visit import Visit


def overview(visit: Visit) -> Response:
    """Show all queues."""
    return visit.page("overview.html", report=visit.snapshot())
