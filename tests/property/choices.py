"""What the rules choose from, and a new job in the forms the store takes: a script's argument, an envelope."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from jqjobs.jobs.records import Coalesce, Kind, NewJob
from property.job_model import New, Reply

T = TypeVar("T")

QUEUES = ("a", "b")
NAMES = ("n", "rare")
#: Of the functions that workers have behind a name.
SIGNATURES = ("s0", "s1", "s2")
#: Of errors; "": its worker has seen none.
GROUPS = ("", "f1", "f2")
KEYS = ("", "", "", "k1", "k1", "k2")
PRIORITIES = (0, 0, 0, 1, -3, 4095, -4096)
#: None leaves it to the registration.
DELAYS: tuple[int | None, ...] = (0, None, None, 1, 1500, 40_000)
OPTIONS: tuple[dict[str, int], ...] = (
    {},
    {},
    {"max_attempts": 1},
    {"max_crashes": 1, "max_attempts": 2},
    {"keep": 2000},
)
ENTRIES: tuple[dict[str, Any], ...] = (
    {},
    {"max_attempts": 2},
    {"max_crashes": 1, "keep_ms": 500},
    {"max_attempts": 9},
    {"coalesce": "queued", "replace": True},
    {"max_throttles": 2},
    {"throttle_counts": True, "max_attempts": 3},
    {"backoff_ms": [900, 4001]},
    {"backoff_ms": [900, 4001], "backoff_jitter": True},
    {"signature": "s1"},
    {"signature": "s2"},
    {"delay_ms": 2500},
)
TWO, ONE = "r 2 3000 two/3s", "c 1 0 one/running"
#: The limits of calls from Python; "-" when a function decided that this one has none.
LIMITS = ("", "", "", "-", TWO, ONE, ONE, f"{TWO} {ONE}", "r 3 3000 two/3s", f"c 2 0 pair/running {TWO}")

#: The groups that jobs take turns as; "": none.
FAIR = ("", "", "", "=g1", "=g1", "=g1", "=2", "=g3")

#: How a call with a key coalesces, and whether it replaces; None leaves that to the registration.
COALESCE: tuple[tuple[str | None, bool | None], ...] = (
    (None, None), (None, True), ("unfinished", False), ("queued", None), ("queued", True), ("stored", None),
    ("stored", True),
)  # fmt: skip
KINDS = (*Kind, Kind.DONE, Kind.DONE, Kind.FAILED, Kind.INTERRUPTED)
#: What a daemon says of a job of a dead worker. "outdated": the board was of another attempt.
BOARD = (
    "crashed", "crashed", "suspect 0 1", "suspect -2 1", "suspect 1 1", "suspect 2 1", "suspect 4 2", "suspect 1 3",
    "interrupted", "neighbour", "hung", "cancelled", "succeeded", "failed", "unstarted", "outdated", "waiting 4000",
)  # fmt: skip
SHARES = (1, 0.5, 0.77)
#: How long a queue is paused, ms; None: until it is resumed.
PAUSES = (None, 0, 601, 3000, 40_000)
#: How many jobs of a queue may wait; None: any number.
LENGTHS = (None, None, 0, 4, 12)
SPANS = (1, 7, 19, 600, 1000, 3000, 9000)
JUMPS = (10_001, 31_000, 3_600_000, -100, -5000, -20_000, -3_600_000)
MOST_JOBS, MOST_WORKERS, MOST_PACKETS = 40, 4, 30


def pick(choices: Sequence[T], n: int) -> T:
    return choices[n % len(choices)]


def new_job(n: int, job_id: str) -> New:
    """Make a job whose options are chosen by ``n``."""
    return New(
        job_id, pick(NAMES, n // 5), pick(PRIORITIES, n), pick(DELAYS, n // 2), pick(KEYS, n // 3),
        pick(OPTIONS, n // 7), 4000 if n % 13 == 0 else None, *pick(COALESCE, n // 4),
        pick(LIMITS, n // 6), pick(FAIR, n // 8),
    )  # fmt: skip


def stored(job: New) -> NewJob:
    fields: list[str | int] = [item for pair in job.options.items() for item in pair]
    if job.expires is not None:
        fields += ["expires", f"+{job.expires}"]
    if job.limits:
        fields += ["limits", job.limits]
    if job.fair:
        fields += ["fair", job.fair]
    due = f"+{job.delay}" if job.delay else ""
    mode = (job.key and job.coalesce) or Coalesce.UNFINISHED
    return NewJob(job.name, b"{}", job.id, job.priority, due, job.key, tuple(fields), mode, bool(job.replace))


def envelope(job: New | Reply | None) -> str:
    if job is None:
        return '{"job":"n","bogus":1}'
    if isinstance(job, Reply):
        said = {"result": {"n": []}} if job.kind == "result" else {"error": "no"}
        return json.dumps({"resolve": job.id, "token": job.token} | said)
    found: dict[str, Any] = {"job": job.name, "id": job.id, "priority": job.priority}
    if job.delay is not None:
        found["delay_ms"] = job.delay
    names = {"keep": "keep_ms"}
    found |= {names.get(name, name): value for name, value in job.options.items()}
    if job.key:
        coalescing = {"key": job.key, "coalesce": job.coalesce, "replace": job.replace}
        found |= {name: value for name, value in coalescing.items() if value is not None}
    if job.expires is not None:
        found["expires_ms"] = job.expires
    if job.fair:
        found["group"] = job.fair.removeprefix("=")
    return json.dumps(found)
