"""Paths of the dashboard that lead to what a page names. What came out of Redis is quoted: it may be anything."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from jqjobs.jobs.partitions import queue_of
from jqjobs.web.visit import Visit

#: A path as a browser writes it; it drops tabs and reads a backslash as a slash, so that it could lead to another host.
_OURS = re.compile(r"/(?!/)[!-\[\]-~]*")


def path_of(*parts: str) -> str:
    """Return a path of these parts, none of which can leave its place."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def job_url(visit: Visit, queue: str, job_id: str) -> str:
    """Return the address of a job."""
    return visit.url(path_of("jobs", queue_of(queue), job_id))


def back_or(visit: Visit, default: str) -> str:
    """Return the path that a form was posted from, as it said itself; only one of the dashboard."""
    said = first(visit.form(), "back")
    return said if _OURS.fullmatch(said) else default


def number_of(said: str, digits: int) -> int:
    """Return the number that an address or a form says, of so many digits at most; 0 when it says none."""
    return int(said) if said.isascii() and said.isdigit() and len(said) <= digits else 0


def first(form: Mapping[str, Sequence[str]], name: str, default: str = "") -> str:
    """Return what a form says under a name."""
    return form.get(name, [default])[0]
