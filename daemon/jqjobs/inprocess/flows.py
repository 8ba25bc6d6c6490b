"""Chains and batches of jobs in memory: what lua/rules/flow does. All is in one process, so nothing is told late."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jqjobs.inprocess.memory_store import Record, Records
from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.records import NewJob

_FIELDS = {
    "max_attempts": "max_attempts", "max_crashes": "max_crashes", "timeout_ms": "timeout", "keep_ms": "keep",
}  # fmt: skip


@dataclass
class _Batch:
    """A batch, and its members by name."""

    queue: str
    id: str
    on_dead: str
    then: bytes
    always: bytes
    created_ms: int
    total: int = 0
    succeeded: int = 0
    expected: int | None = None
    open: dict[str, Record] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    has_run_always: bool = False
    is_cancelled: bool = False
    has_lost: bool = False
    over: str = ""
    finished_ms: int = 0


class Flows:
    """Those of one engine; hears of each job that comes, ends, is retried or deleted."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._batches: dict[tuple[str, str], _Batch] = {}

    def added(self, record: Record) -> None:
        """Note a new member, or the next step of one."""
        batch = self._of(record)
        if batch is None:
            return
        if "member" not in record.fields:
            record.fields["member"] = record.ref
            batch.total += not str(record.fields["batch"]).startswith("+")
        batch.open[str(record.fields["member"])] = record

    def ended(self, record: Record) -> None:
        """Begin what comes after a job that has succeeded; tell its batch."""
        if record.state == "dead":
            return self._told(record, "dead")
        if record.executions == 0:
            return self._told(record, "gone")
        steps = record.fields.get("then")
        if steps:
            return self._next(record, steps)
        return self._told(record, "kept" if record.state == "kept" else "done")

    def turned(self, record: Record, what: str) -> None:
        """Hear that a dead job is retried ("again"), or that one is deleted ("gone")."""
        if what == "again" or record.state != "kept":
            self._told(record, what)

    def open(self, queue: str, args: Sequence[str]) -> int:
        """Answer as lua/open_batch.lua does."""
        batch_id, _, on_dead, _, then, always = args
        if (queue, batch_id) in self._batches:
            return 0
        now_ms = self._records.clock()
        self._batches[queue, batch_id] = _Batch(queue, batch_id, on_dead, then.encode(), always.encode(), now_ms)
        return 1

    def close(self, queue: str, args: Sequence[str]) -> int:
        """Answer as lua/close_batch.lua does."""
        batch = self._batches.get((queue, args[0]))
        if batch is None or batch.expected is not None:
            return -1 if batch is None else 0
        batch.expected = int(args[1])
        self._settle(batch)
        return 1

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
        if batch is None:
            return [[], 0, 0, 0]
        known: dict[str, object] = {"created": batch.created_ms, "opened": 1, "total": batch.total}
        known |= {"succeeded": batch.succeeded, "on_dead": batch.on_dead}
        if batch.expected is not None:
            known["expected"] = batch.expected
        if batch.over:
            known |= {"over": batch.over, "finished": batch.finished_ms}
        flat = [text.encode() for name, value in known.items() for text in (name, str(value))]
        return [flat, len(batch.open), len(batch.dead), len(batch.kept)]

    def members(self, queue: str, args: Sequence[str]) -> list[Any]:
        """Answer as lua/batch_members.lua does, in one page."""
        batch = self._batches.get((queue, args[0]))
        found = [] if batch is None else list(getattr(batch, args[1]))
        return [b"0", [member.encode() for member in found]]

    def _of(self, record: Record) -> _Batch | None:
        queue, _, batch_id = str(record.fields.get("batch", "")).lstrip("+").partition("/")
        return self._batches.get((queue, batch_id))

    def _told(self, record: Record, what: str) -> None:
        batch = self._of(record)
        if batch is None or batch.over:
            return
        name = str(record.fields["member"])
        batch.open.pop(name, None)
        batch.dead.discard(name)
        if what == "again":
            batch.open[name] = record
        elif what == "dead":
            batch.dead.add(name)
        elif what == "gone":
            batch.has_lost = True
        else:
            batch.succeeded += 1
        if what == "kept":
            batch.kept.add(name)
        self._settle(batch)

    def _settle(self, batch: _Batch) -> None:
        is_cancelled = batch.is_cancelled or (batch.on_dead == OnDead.CANCEL and bool(batch.dead))
        if is_cancelled and batch.open:
            self._cancel_members(batch)
        if batch.over or batch.open or batch.expected is None or batch.total < batch.expected:
            return
        goes_on = batch.on_dead == OnDead.GO
        if not batch.has_run_always:
            batch.has_run_always = True
            self._call(batch, "always", batch.always)
        if batch.is_cancelled or (not goes_on and (batch.has_lost or is_cancelled)):
            self._finish(batch, "cancelled" if batch.is_cancelled else "failed")
        elif goes_on or not batch.dead:
            self._finish(batch, "succeeded")
            self._call(batch, "then", batch.then)

    def _finish(self, batch: _Batch, how: str) -> None:
        batch.over, batch.finished_ms = how, self._records.clock()

    def _cancel_members(self, batch: _Batch) -> None:
        for record in list(batch.open.values()):
            if record.state != "active":  # one that runs goes on, as with `_cancel_one`
                self._records.end(record, "dead", "cancelled")

    def _call(self, batch: _Batch, kind: str, steps: bytes) -> None:
        said = {"batch": f"{batch.queue}/{batch.id}", "succeeded": batch.succeeded, "dead": len(batch.dead)}
        self._begin(batch.queue, f"{batch.id}.{kind}", 1, steps, json.dumps(said).encode(), {})

    def _next(self, record: Record, steps: bytes) -> None:
        number = int(record.fields.get("step", 1))
        root = record.id if number == 1 else record.id.rpartition(".")[0]
        kept: dict[str, Any] = {name: value for name, value in record.fields.items() if name in ("batch", "member")}
        self._begin(record.queue, root, number + 1, steps, record.result or None, kept)

    def _begin(
        self, queue: str, root: str, number: int, steps: bytes, previous: bytes | None, kept: dict[str, Any]
    ) -> None:  # fmt: skip
        if not steps:
            return
        size, _, rest = steps.partition(b":")
        raw, rest = rest[: int(size)], rest[int(size) :]
        step_id = root if number == 1 else f"{root}.{number}"
        said = json.loads(raw)
        if "all" in said:
            self._begin_list(queue, step_id, said["all"], rest)
            return
        more = {"step": number, "then": rest, "previous": previous, **kept}
        new, target = _new_job(said, raw, step_id, {name: value for name, value in more.items() if value})
        self._records.add(target or queue, new)

    def _begin_list(self, queue: str, batch_id: str, members: Sequence[str], rest: bytes) -> None:
        now_ms = self._records.clock()
        batch = self._batches[queue, batch_id] = _Batch(queue, batch_id, OnDead.WAIT, rest, b"", now_ms)
        for n, raw in enumerate(members, 1):
            said = json.loads(raw)
            new, target = _new_job(said, raw.encode(), f"{batch_id}.{n}", {"batch": f"{queue}/{batch_id}"})
            self._records.add(target or queue, new)
        batch.expected = len(members)
        self._settle(batch)


def _new_job(said: dict[str, Any], raw: bytes, job_id: str, more: dict[str, Any]) -> tuple[NewJob, str]:
    """Return the job of a step, and its queue or ""."""
    fields = {name: said[key] for key, name in _FIELDS.items() if key in said} | more
    letters = "".join(letter for letter, name in (("t", "then"), ("b", "batch"), ("p", "previous")) if name in fields)
    fields["flow"] = letters
    due = f"+{said['delay_ms']}" if "delay_ms" in said else str(said.get("due_ms", ""))
    flat = tuple(item for pair in fields.items() for item in pair)
    return NewJob(said["job"], raw, job_id, said.get("priority", 0), due, fields=flat), said.get("queue", "")
