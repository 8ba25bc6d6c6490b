"""A worker's trip between two whole ones, in one queue, for plain jobs only (lua/fast_trip.lua, single_trip.lua)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jqjobs.jobs.records import Status
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.calls.trips import Trip, plain_job, plain_jobs
from jqjobs.store.reply_values import text
from jqjobs.store.scripts import script


def read_scripts() -> None:
    """Read them now: later a job may have used up all descriptors."""
    script("fast_trip")
    script("single_trip")


def fast_trip(
    queue: str, worker: str, trip: int, want: int, *, done: Sequence[TakenJob] = (), now_ms: int | None = None
) -> Call[Trip]:  # fmt: skip
    """Settle jobs of this queue and take up to ``want``.

    ``done``: first attempts that succeeded with nothing to say. ``now_ms``: what the worker takes for the time of Redis
    since its last whole trip; None: Redis looks at its clock. The answer knows nothing of what only a whole trip does.
    """
    script_now = "" if now_ms is None else now_ms
    if len(done) == 1 and want == 1:
        return Call(
            script("single_trip"), [keys.meta(queue)], [script_now, worker, trip, done[0].id],
            lambda reply: _parse_single(reply, queue, now_ms or 0, done[0].id),
        )  # fmt: skip
    return Call(
        script("fast_trip"), [keys.meta(queue)], [script_now, worker, trip, want, *[job.id for job in done]],
        lambda reply: _parse(reply, queue, now_ms or 0),
    )  # fmt: skip


def _parse(reply: Any, queue: str, now_ms: int) -> Trip:
    if reply[0] != Status.OK:
        return Trip(Status(reply[0]), now_ms, is_fast=True)
    stale = () if reply[2] is None else tuple(map(text, reply[2]))
    jobs = plain_jobs(queue, *reply[3:]) if len(reply) > 3 else []
    return Trip(Status.OK, now_ms, stale=stale, jobs=jobs, left_in=queue if reply[1] else None, is_fast=True)


def _parse_single(reply: Any, queue: str, now_ms: int, done: str) -> Trip:
    if len(reply) < 3:
        return Trip(Status(reply[0]), now_ms, is_fast=True)
    _, more, is_stale, *taken = reply
    jobs = [plain_job(queue, *taken)] if taken else []
    stale = (done,) if is_stale else ()
    return Trip(Status.OK, now_ms, stale=stale, jobs=jobs, left_in=queue if more else None, is_fast=True)
