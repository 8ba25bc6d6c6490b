"""A new job as a raw envelope (docs/protocol.md, "The envelope"), with its id: as an outbox has it.

Pure ASCII, so that no encoding of a database or of a connection to it changes a byte.
"""

from __future__ import annotations

import json
import re
from typing import Any

from jqjobs.errors import PayloadTooLarge
from jqjobs.jobs.flow import step_texts
from jqjobs.jobs.groups import FIELD, group_in
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES, NewJob

#: Field of a job's record → key of an envelope. Limits are left out: the worker works them out.
_KEYS = {
    "max_attempts": "max_attempts", "max_crashes": "max_crashes", "timeout": "timeout_ms", "keep": "keep_ms",
    "expires": "expires_ms",
}  # fmt: skip
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def envelope_of(job: NewJob, now_ms: int) -> str:
    """Return the envelope of a job; what is due so long from now is due then, whenever the job is handed over.

    Raises: PayloadTooLarge.
    """
    head = json.dumps(_head(job, now_ms))
    payload = _NOT_ASCII.sub(lambda text: json.dumps(text[0])[1:-1], job.payload.decode())
    rest = payload.lstrip().removeprefix("{")
    is_bare = rest.strip() == "}"
    envelope = head if is_bare else f"{head[:-1]}, {rest}"
    if len(envelope) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"{job.name}: the job takes {len(envelope)} bytes as ASCII JSON, more than 1 MiB",
            hint="store the data elsewhere and pass a reference",
        )
    return envelope


def _head(job: NewJob, now_ms: int) -> dict[str, Any]:
    head: dict[str, Any] = {"job": job.name, "id": job.id, "priority": job.priority, **_when(job.due, now_ms)}
    if job.key:
        head |= {"key": job.key, "coalesce": str(job.coalesce), "replace": job.replace}
    for name, value in zip(job.fields[::2], job.fields[1::2], strict=True):
        if name == "tags":
            head["tags"] = str(value).split(" ")
        elif name == FIELD:
            head["group"] = group_in(str(value))
        elif name == "then" and isinstance(value, bytes):
            head["then"] = [text.decode() for text in step_texts(value)]
        elif name == "batch":
            head["batch"] = value
        elif name in _KEYS:
            head[_KEYS[str(name)]] = int(value)
    return head


def _when(due: str, now_ms: int) -> dict[str, int]:
    if not due:
        return {"delay_ms": 0}
    return {"due_ms": now_ms + int(due) if due.startswith("+") else int(due)}
