"""Compares what Redis says of each job with what the jobs did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from e2e.chaos.app import QUEUE
from e2e.chaos.ledger import Ledger
from jqjobs.jobs.selector import Selector
from jqjobs.store.address import parse_url
from jqjobs.store.reads.jobs import JobInfo, job_info
from jqjobs.store.reads.queues import queue_status
from jqjobs.store.reads.search import Cursor, search
from jqjobs.store.store import Store
from servers import Server

#: A queue where nothing is left to do, and nothing was lost on the way.
_EMPTY = ("inbox", "ready", "scheduled", "active", "held", "waiting", "parked", "dead", "rejected")
_CHUNK = 200


class GaveUp(Exception):
    """Jobs died or were refused; waiting longer does not help."""


class Checker:
    """Looks at one queue of one server from outside."""

    def __init__(self, server: Server, ledger: Ledger) -> None:
        self._store = Store(parse_url(server.url), name="checker")
        self._ledger = ledger

    def close(self) -> None:
        """Drop the connection."""
        self._store.close()

    def left(self) -> dict[str, int]:
        """Return the states that still hold something, and how much."""
        status = self._store.run(queue_status(QUEUE))
        return {state: getattr(status, state) for state in _EMPTY if getattr(status, state)}

    def all_done(self, jobs: int) -> bool:
        """Whether every job has succeeded and nothing is left; else AssertionError saying what is.

        Raises: GaveUp as soon as it is certain that it will never come to that.
        """
        left, kept = self.left(), self._store.run(queue_status(QUEUE)).kept
        found = f"{kept} of {jobs} jobs done, left: {left}"
        if "dead" in left or "rejected" in left:
            raise GaveUp(f"{found}; for example {self._store.run(search(QUEUE, Selector(), Cursor('dead'), 3)).rows}")
        assert (left, kept) == ({}, jobs), found
        return True

    def leases(self) -> int:
        """Return how many workers have a lease."""
        return int(self._store.wire.call("ZCARD", f"jq:{{{QUEUE}}}:leases"))

    def infos(self, ids: Sequence[str]) -> dict[str, JobInfo]:
        """Return the record of each job; a missing one is an AssertionError."""
        found: dict[str, JobInfo] = {}
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            for job_id, info in zip(chunk, self._store.run_many([job_info(QUEUE, i) for i in chunk]), strict=True):
                assert isinstance(info, JobInfo), f"job {job_id}: {info}"
                found[job_id] = info
        return found

    def judge(self, infos: dict[str, JobInfo]) -> None:
        """Hold each job's record against its effects. Raises: AssertionError naming all that is wrong."""
        effects = self._ledger.per_job()
        attempts = Counter((effect.job_id, effect.attempt) for effect in self._ledger.effects())
        wrong = [f"{job_id}: no such job, but it ran" for job_id in effects.keys() - infos.keys()]
        wrong += [f"{job_id}: attempt {attempt} ran twice" for (job_id, attempt), n in attempts.items() if n > 1]
        for job_id, info in infos.items():
            if info.state != "kept":
                wrong.append(f"{job_id}: {info.state}")
            if not 1 <= effects[job_id] <= info.executions:
                wrong.append(f"{job_id}: {effects[job_id]} effects, {info.executions} executions: {info.history}")
            if info.failures:
                wrong.append(f"{job_id}: {info.failures} failures: {info.error}")
        assert not wrong, f"{len(wrong)} findings:\n" + "\n".join(wrong[:20])
