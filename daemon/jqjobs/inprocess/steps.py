"""What comes next in a flow: the steps that are still to begin, as they are stored, and the jobs that they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jqjobs.inprocess.batch import Batch
from jqjobs.inprocess.memory_store import Record
from jqjobs.jobs.groups import group_fields
from jqjobs.jobs.options import tag_fields
from jqjobs.jobs.records import NewJob

_FIELDS = {
    "max_attempts": "max_attempts", "max_crashes": "max_crashes", "timeout_ms": "timeout", "keep_ms": "keep",
    "expires_ms": "expires",
}  # fmt: skip


@dataclass(frozen=True)
class Upcoming:
    """Steps that begin now, the first as number ``number`` of the chain ``root``.

    ``previous``: what the one before has returned. ``kept``: fields that go from step to step.
    """

    queue: str
    root: str
    number: int
    steps: bytes
    previous: bytes | None
    kept: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the job or the batch that the first step is."""
        return self.root if self.number == 1 else f"{self.root}.{self.number}"

    def parts(self) -> tuple[bytes, bytes]:
        """Return the first step, and those after it."""
        size, _, rest = self.steps.partition(b":")
        return rest[: int(size)], rest[int(size) :]

    def job(self, first: bytes, rest: bytes) -> tuple[NewJob, str]:
        """Return the job of the first step, and its queue or ""."""
        return _new_job(first, self.id, {"step": self.number, "then": rest, "previous": self.previous, **self.kept})

    def member(self, n: int, raw: str) -> tuple[NewJob, str]:
        """Return the job of the ``n``-th call of the first step, which is a list, and its queue or ""."""
        more = {"previous": self.previous, "batch": f"{self.queue}/{self.id}"}
        return _new_job(raw.encode(), f"{self.id}.{n}", more)


def after_job(record: Record) -> Upcoming:
    """Return what comes after a job of a chain."""
    number = int(record.fields.get("step", 1))
    root = record.id if number == 1 else record.id.rpartition(".")[0]
    kept = {name: value for name, value in record.fields.items() if name in ("batch", "member")}
    return Upcoming(record.queue, root, number + 1, record.fields["then"], record.result or None, kept)


def after_batch(batch: Batch, kind: str, steps: bytes) -> Upcoming:
    """Return what comes after a batch, which is told how that ended; ``kind``: "then" or "always"."""
    caller = f"{batch.queue}/{batch.id}"
    said = json.dumps({"batch": caller, "succeeded": batch.succeeded, "dead": len(batch.dead)}).encode()
    previous = None if batch.is_list else said
    return Upcoming(batch.queue, f"{batch.id}.{kind}", 1, steps, previous, {"caller": caller})


def _new_job(raw: bytes, job_id: str, more: dict[str, Any]) -> tuple[NewJob, str]:
    """Return the job of a step, and its queue or ""."""
    said = json.loads(raw)
    fields = {name: said[key] for key, name in _FIELDS.items() if key in said}
    fields |= {name: value for name, value in more.items() if value}
    letters = "".join(letter for letter, name in (("t", "then"), ("b", "batch"), ("p", "previous")) if name in fields)
    fields["flow"] = letters
    due = f"+{said['delay_ms']}" if "delay_ms" in said else str(said.get("due_ms", ""))
    flat = (item for pair in fields.items() for item in pair)
    words = (*group_fields(said.get("group")), *tag_fields(said.get("tags")), *flat)
    return NewJob(said["job"], raw, job_id, said.get("priority", 0), due, fields=words), said.get("queue", "")
