"""What the rules choose from, and a new job in the forms the store takes: a script's argument, an envelope."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from jqjobs.job import Kind, NewJob
from property.job_model import New

T = TypeVar("T")

QUEUES = ("a", "b")
NAMES = ("n", "rare")
KEYS = ("", "", "", "k1", "k2")
PRIORITIES = (0, 0, 0, 1, -3, 4095, -4096)
DELAYS = (0, 0, 0, 1, 1500, 40_000)
OPTIONS: tuple[dict[str, int], ...] = (
    {},
    {},
    {"max_attempts": 1},
    {"max_crashes": 1, "max_attempts": 2},
    {"keep": 2000},
)
ENTRIES: tuple[dict[str, int], ...] = ({}, {"max_attempts": 2}, {"max_crashes": 1, "keep_ms": 500}, {"max_attempts": 9})
KINDS = (*Kind, Kind.DONE, Kind.DONE, Kind.FAILED, Kind.INTERRUPTED)
MODES = ("crash", "suspect", "interrupt", "hung")
BOARD = ("running", "running", "running", "succeeded", "failed", "unstarted", "outdated")
SPANS = (1, 600, 1000, 3000, 9000)
JUMPS = (10_001, 31_000, 3_600_000, -100, -5000, -20_000, -3_600_000)
MOST_JOBS, MOST_WORKERS, MOST_PACKETS = 40, 4, 30


def pick(choices: Sequence[T], n: int) -> T:
    return choices[n % len(choices)]


def new_job(n: int, job_id: str) -> New:
    """Make a job whose options are chosen by ``n``."""
    return New(
        job_id, pick(NAMES, n // 5), pick(PRIORITIES, n), pick(DELAYS, n // 2), pick(KEYS, n // 3),
        pick(OPTIONS, n // 7), 4000 if n % 13 == 0 else None,
    )  # fmt: skip


def stored(job: New) -> NewJob:
    fields: list[str | int] = [item for pair in job.options.items() for item in pair]
    if job.expires is not None:
        fields += ["expires", f"+{job.expires}"]
    due = f"+{job.delay}" if job.delay else ""
    return NewJob(job.name, b"{}", job.id, job.priority, due, job.key, tuple(fields))


def envelope(job: New | None) -> str:
    if job is None:
        return '{"job":"n","bogus":1}'
    found: dict[str, Any] = {"job": job.name, "id": job.id, "priority": job.priority, "delay_ms": job.delay}
    names = {"keep": "keep_ms"}
    found |= {names.get(name, name): value for name, value in job.options.items()}
    if job.key:
        found["key"] = job.key
    if job.expires is not None:
        found["expires_ms"] = job.expires
    return json.dumps(found)
