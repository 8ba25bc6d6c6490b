"""The vectors of docs/vectors, and what became of one that lies in an inbox: looked up in Redis itself.

Used by the tests of `ingest`, of the schema, and of the clients in other languages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jqjobs.jobs.groups import group_in
from jqjobs.jobs.payload import MalformedPayload, decode_payload
from jqjobs.jobs.records import Kind
from jqjobs.store.calls.waits import expect
from store.queue_system import QueueSystem

DOCS = Path(__file__).parents[2] / "docs"
_FILE = json.loads((DOCS / "vectors" / "envelopes.json").read_text("utf-8"))
NOW_MS: int = _FILE["now_ms"]
JOBS: list[dict[str, Any]] = _FILE["jobs"]
ANSWERS: list[dict[str, Any]] = _FILE["answers"]

#: The job that the vectors of answers are for.
WAITING, TOKEN = "video-7", "d8E0xQ"
#: A field of a record, and what the vectors call it.
_NUMBERS = {
    "priority": "priority", "due": "due_ms", "max_attempts": "max_attempts", "max_crashes": "max_crashes",
    "timeout": "timeout_ms", "expires": "expires_at_ms", "keep": "keep_ms",
}  # fmt: skip
_WORDS = {"name": "name", "key": "key", "coalesce": "coalesce", "tags": "tags"}


def raw_of(vector: dict[str, Any]) -> bytes:
    """The bytes of a vector, as a producer pushes them."""
    text = (
        vector["raw"] if "raw" in vector else json.dumps(vector["envelope"], separators=(",", ":"), ensure_ascii=False)
    )
    return str(text).encode()


def became(system: QueueSystem, queue: str) -> dict[str, Any]:
    """Ingest one envelope; return `{"refused": code}`, or `{"job": …}` as the vectors describe it, with its id."""
    system.ingest(queue)
    code = refused(system, queue)
    if code:
        return {"refused": code}
    [(state, job_id)] = [(state, job_id) for state in ("ready", "scheduled") for job_id in system.ids(state, queue)]
    record = _record(system, job_id, queue)
    try:
        payload = decode_payload(record["payload"].encode())
    except MalformedPayload:
        return {"refused": "malformed"}
    job: dict[str, Any] = {"state": state, "id": job_id, "args": payload.args, "kwargs": payload.kwargs}
    job |= {"meta": payload.meta} | {word: record.get(field) for field, word in _WORDS.items()}
    job["group"] = group_in(record.get("fair"))
    job |= {word: int(record[field]) for field, word in _NUMBERS.items() if field in record}
    job |= {"batch": record.get("batch", "").split(" ")[0], "then": _steps(record.get("then", ""))}
    return {"job": {key: value for key, value in job.items() if value}}


def _steps(text: str) -> list[str]:
    """Steps as a record has them: each as "bytes:text" (lua/rules/flow/steps.lua)."""
    steps, rest = [], text.encode()
    while rest:
        size, _, rest = rest.partition(b":")
        steps.append(rest[: int(size)].decode())
        rest = rest[int(size) :]
    return steps


def refused(system: QueueSystem, queue: str) -> str:
    """The code of the last envelope that was refused; "" when none was."""
    entry = system.redis("LINDEX", system.key("rejected", queue), 0)
    return entry.split(b" ", 1)[1].split(b":", 1)[0].decode() if entry else ""


def begin_wait(system: QueueSystem, queue: str) -> None:
    """Have `video-7` wait, tried once at most, and kept."""
    system.add(WAITING, queue=queue, fields=("keep", 1000, "max_attempts", 1))
    [job] = system.take(queue, queues=(queue,))
    system.run(expect(queue, queue, WAITING, 1, TOKEN))
    system.settle(queue, job, Kind.WAITING, 1000, line=b"")


def answered(system: QueueSystem, queue: str) -> dict[str, str]:
    """Ingest one answer; return what `video-7` ended with, or the code that the answer was refused with."""
    system.ingest(queue)
    code = refused(system, queue)
    if code:
        return {"refused": code}
    record = _record(system, WAITING, queue)
    return {"result": record["result"]} if "result" in record else {"error": record["error"]}


def _record(system: QueueSystem, job_id: str, queue: str) -> dict[str, str]:
    # Not system.job, which reads each byte as a letter.
    flat = [text.decode() for text in system.redis("HGETALL", system.key(f"job:{job_id}", queue))]
    return dict(zip(flat[::2], flat[1::2], strict=True))
