"""Chains and batches of jobs in memory: what lua/rules/flow does. All is in one process, so nothing is told late."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from jqjobs.inprocess.batch import Batch
from jqjobs.inprocess.memory_store import MOST_OVER, Record, Records
from jqjobs.inprocess.steps import Upcoming, after_batch, after_job
from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.records import NewJob
from jqjobs.store.calls.batches import CHAIN


class Flows:
    """Those of one engine; hears of each job that comes, ends, is retried or deleted."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._batches: dict[tuple[str, str], Batch] = {}
        #: Told of each job that nobody enqueued: the next step of a chain, what a batch calls.
        self.on_begin: Callable[[Record], None] = lambda record: None

    def added(self, record: Record) -> None:
        """Note a new member, or the next step of one. A new one of a batch that is cancelled is cancelled too."""
        batch = self._of(record)
        if batch is None:
            return
        is_new = "member" not in record.fields
        record.fields.setdefault("member", record.ref)
        if batch.over == "cancelled" and is_new:  # the step of one that a person has retried goes on
            self._records.end(record, "dead", "cancelled")
        if batch.over:
            return
        batch.total += is_new and not str(record.fields["batch"]).startswith("+")
        batch.open[str(record.fields["member"])] = record
        self._settle(batch)

    def ended(self, record: Record) -> None:
        """Begin what comes after a job that has succeeded; tell its batch."""
        if record.state == "dead":
            return self._told(record, "dead")
        if record.executions == 0:
            return self._told(record, "gone")
        if record.fields.get("then"):
            return self._begin(after_job(record))
        return self._told(record, "kept" if record.state == "kept" else "done")

    def turned(self, record: Record, what: str) -> None:
        """Hear that a dead job is retried ("again"), or that one is deleted ("gone")."""
        if what == "again" or record.state != "kept":
            self._told(record, what)

    def open(self, queue: str, args: Sequence[str]) -> int:
        """Answer as lua/open_batch.lua does."""
        batch_id, nonce, on_dead, _, then, always = args
        if (queue, batch_id) in self._batches:
            return 0
        now_ms, is_list = self._records.clock(), nonce.startswith(CHAIN)
        _hold(self._batches, Batch(queue, batch_id, on_dead, then.encode(), always.encode(), now_ms, is_list))
        return 1

    def close(self, queue: str, args: Sequence[str]) -> list[int]:
        """Answer as lua/close_batch.lua does."""
        batch = self._batches.get((queue, args[0]))
        if batch is None or batch.expected is not None:
            return [-1 if batch is None else 0]
        batch.expected = int(args[1])
        self._settle(batch)
        return [1]

    def cancel(self, queue: str, args: Sequence[str]) -> int:
        """Answer as lua/cancel_batch.lua does, the members included."""
        batch = self._batches.get((queue, args[0]))
        if batch is None or batch.over:
            return -1 if batch is None else 0
        batch.is_cancelled, batch.expected = True, 0
        self._cancel_members(batch)
        self._settle(batch)
        return 1

    def status(self, queue: str, args: Sequence[str]) -> list[Any]:
        """Answer as lua/batch.lua does."""
        batch = self._batches.get((queue, args[0]))
        return [[], 0, 0, 0] if batch is None else batch.shown()

    def members(self, queue: str, args: Sequence[str]) -> list[Any]:
        """Answer as lua/batch_members.lua does, in one page."""
        batch = self._batches.get((queue, args[0]))
        found = {} if batch is None else batch.places(args[1])
        return [b"0", [name.encode() for name in found], [place.encode() for place in found.values()]]

    def _of(self, record: Record) -> Batch | None:
        queue, _, batch_id = str(record.fields.get("batch", "")).lstrip("+").partition("/")
        return self._batches.get((queue, batch_id))

    def _told(self, record: Record, what: str) -> None:
        batch = self._of(record)
        if batch is None or batch.over:
            return
        batch.hear(record, what)
        self._settle(batch)

    def _settle(self, batch: Batch) -> None:
        if batch.cancels_members and batch.open:
            self._cancel_members(batch)
        if not batch.is_complete:
            return
        if not batch.has_run_always:
            batch.has_run_always = True
            self._begin(after_batch(batch, "always", batch.always))
        if how := batch.verdict():
            batch.over, batch.finished_ms = how, self._records.clock()
        if how == "succeeded":
            self._begin(after_batch(batch, "then", batch.then))

    def _cancel_members(self, batch: Batch) -> None:
        for record in list(batch.open.values()):
            if record.state != "active":  # one that runs goes on, as with `_cancel_one`
                self._records.end(record, "dead", "cancelled")

    def _begin(self, upcoming: Upcoming) -> None:
        if not upcoming.steps:
            return
        first, rest = upcoming.parts()
        if (members := json.loads(first).get("all")) is not None:
            if (upcoming.queue, upcoming.id) not in self._batches:  # else another batch has its id: the chain ends here
                self._begin_list(upcoming, members, rest)
            return
        new, target = upcoming.job(first, rest)
        _add(self._records, target or upcoming.queue, new, self.on_begin)

    def _begin_list(self, upcoming: Upcoming, members: Sequence[str], rest: bytes) -> None:
        batch = Batch(upcoming.queue, upcoming.id, OnDead.WAIT, rest, b"", self._records.clock(), is_list=True)
        _hold(self._batches, batch)
        for n, raw in enumerate(members, 1):
            new, target = upcoming.member(n, raw)
            batch.has_lost |= not _add(self._records, target or upcoming.queue, new, self.on_begin)
        batch.expected = batch.total
        self._settle(batch)


def _hold(batches: dict[tuple[str, str], Batch], batch: Batch) -> None:
    """Hold a new batch; of those that nothing goes on in, the oldest are forgotten."""
    batches[batch.queue, batch.id] = batch
    at_rest = [place for place, each in batches.items() if each.is_at_rest]
    for place in at_rest[: max(0, len(at_rest) - MOST_OVER)]:
        del batches[place]


def _add(records: Records, queue: str, new: NewJob, on_begin: Callable[[Record], None]) -> bool:
    made = records.add(queue, new)
    record = records.get(queue, made.id)
    if made.created and record is not None:
        on_begin(record)
    return bool(made.created)
