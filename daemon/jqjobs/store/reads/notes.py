"""Reads what running jobs said of themselves (lua/note.lua): progress, and lines of their own log.

Called by `inspect` and jqctl. What is stored may be damaged; then there is less to show, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from jqjobs.store import keys
from jqjobs.store.reply_values import integer, json_or_none, string
from jqjobs.store.store import Store


class LogLine(NamedTuple):
    """A line that a job wrote to its own log. ``at_ms``: ms since the epoch."""

    attempt: int | None
    text: str
    at_ms: int | None


def log_lines(field: Any) -> tuple[LogLine, ...]:
    """Return the lines in the field ``log`` of a job, oldest first."""
    lines = (json_or_none(line) for line in (string(field) or "").split("\n"))
    return tuple(
        LogLine(integer(line.get("attempt")), string(line.get("text")) or "", integer(line.get("at_ms")))
        for line in lines
        if isinstance(line, dict)
    )


def progress_text(progress: Any) -> str:
    """Return the progress of a job for people, such as ``40 % resizing``; "" when there is none to be read."""
    percent = progress.get("percent") if isinstance(progress, dict) else None
    if isinstance(percent, bool) or not isinstance(percent, (int, float)):
        return ""
    return f"{percent:g} % {string(progress.get('text')) or ''}".rstrip()


def attempt_of(progress: Any) -> int | None:
    """Return which attempt said this of its progress."""
    return integer(progress.get("attempt")) if isinstance(progress, dict) else None


def progress_of(store: Store, jobs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """Return (queue, id) → progress of the jobs that said something, in one round trip."""
    wanted = [job for job in jobs if all(job)]
    looks = [("HGET", store.address.key(keys.job(*job)), "progress") for job in wanted]
    replies = store.wire.pipeline_in_parts(looks) if looks else []
    found = {job: json_or_none(reply) for job, reply in zip(wanted, replies, strict=True) if isinstance(reply, bytes)}
    return {job: progress for job, progress in found.items() if progress is not None}
