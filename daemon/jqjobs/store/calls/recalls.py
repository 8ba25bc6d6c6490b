"""Recalling: a daemon gives back in Redis what it has told a worker not to start (lua/recall.lua)."""

from __future__ import annotations

from collections.abc import Sequence

from jqjobs.store import keys
from jqjobs.store.call import Call
from jqjobs.store.scripts import script


def recall(queue: str, worker: str, jobs: Sequence[tuple[str, int]]) -> Call[int]:
    """Give back jobs of one queue, each an id and an attempt; return how many of them the worker still had in hand."""
    members = [f"{job_id} {attempt}" for job_id, attempt in jobs]
    return Call(script("recall"), (keys.meta(queue),), ("", worker, *members), int, repeatable=True)
