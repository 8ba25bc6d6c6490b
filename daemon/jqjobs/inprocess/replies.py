"""What the scripts would answer about jobs in memory: the calls that job handles make, by the name of the script."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from jqjobs.errors import NeedsRedis
from jqjobs.inprocess.async_wait import resolve
from jqjobs.inprocess.flows import Flows
from jqjobs.inprocess.memory_store import Record, Records
from jqjobs.store.call import Call
from jqjobs.store.calls.added import AddAnswer
from jqjobs.store.calls.endings import Ending


def reply_to(records: Records, flows: Flows, call: Call[Any]) -> Any:
    """Return the reply to a script call. Raises: NeedsRedis."""
    answer, of_flows = _ANSWERS.get(call.script.name), _OF_FLOWS.get(call.script.name)
    if answer is None and of_flows is None:
        raise NeedsRedis(f"jobs in memory know nothing of {call.script.name!r}", hint="JQ_ENGINE=redis")
    queue = call.keys[0].split("{", 1)[1].split("}", 1)[0]
    args = [arg.decode() if isinstance(arg, bytes) else str(arg) for arg in call.args[1:]]
    if of_flows is not None:
        return of_flows(flows, queue, args)
    assert answer is not None
    return answer(records, queue, args)


def _inspect(records: Records, queue: str, args: Sequence[str]) -> list[Any]:
    record = records.get(queue, args[0])
    if record is None:
        return [int(records.has_succeeded(queue, args[0])), None]
    worker = b"in-process" if record.state in ("active", "kept") else b""
    return [records.clock(), record.state.encode(), b"0", worker, _flat(_hash(record)), record.history]


def _hash(record: Record) -> dict[str, Any]:
    """The job hash as it would be, with absent fields left out."""
    said = "\n".join(map(json.dumps, record.log))
    fields = {
        "name": record.name, "payload": record.payload, "enqueued": record.enqueued_ms, "due": record.due_ms,
        "priority": record.priority, "key": record.key, "attempt": record.attempt, "executions": record.executions,
        "failures": record.failures, "interrupts": record.interrupts, "throttles": record.throttles,
        "snoozes": record.snoozes or None,
        "reason": record.reason, "error": record.error, "taken": record.taken_ms,
        "finished": record.finished_ms, "result": record.result, "result_missing": record.result_missing,
        "progress": record.progress and json.dumps(record.progress), "log": said, **record.fields,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _flat(fields: dict[str, Any]) -> list[bytes]:
    pairs = ((name, value if isinstance(value, bytes) else str(value).encode()) for name, value in fields.items())
    return [item for name, value in pairs for item in (name.encode(), value)]


def _result(records: Records, queue: str, args: Sequence[str]) -> list[Any]:
    record = records.get(queue, args[0])
    if record is None:
        return [Ending.GONE]
    if record.state == "kept":
        return [Ending.KEPT, record.result, record.result_missing.encode() or None]
    if record.state == "dead":
        return [Ending.DEAD, record.reason.encode(), record.error.encode() or None]
    return [Ending.PENDING]


def _cancel(records: Records, queue: str, args: Sequence[str]) -> list[int]:
    return [_cancel_one(records, records.get(queue, job_id)) for job_id in args]


def _cancel_one(records: Records, record: Record | None) -> int:
    """Return what lua/cancel.lua answers. A job that runs goes on: nobody could interrupt it here."""
    if record is None:
        return -1
    if record.state in ("dead", "kept", "active"):
        return 0
    records.end(record, "dead", "cancelled")
    return 1


def _retry(records: Records, queue: str, args: Sequence[str]) -> list[int]:
    return [_retry_one(records, records.get(queue, job_id)) for job_id in args]


def _retry_one(records: Records, record: Record | None) -> int:
    """Return what lua/retry.lua answers: -1 when another job has its key."""
    if record is None or record.state != "dead":
        return 0
    holder = records.holder(record.queue, record.key)
    if holder is not None and holder is not record:
        return -1
    record.forgiven, record.hung = record.failures, 0
    record.snoozes, record.is_snoozing = 0, False
    record.forgiven_throttles = record.throttles
    records.make_ready(record)
    record.reason, record.finished_ms = "", None
    record.fields.pop("expires", None)
    records.on_turn(record, "again")
    return 1


def _delete(records: Records, queue: str, args: Sequence[str]) -> list[int]:
    return [_delete_one(records, records.get(queue, job_id)) for job_id in args]


def _delete_one(records: Records, record: Record | None) -> int:
    if record is None:
        return -1
    if record.state == "active":
        return 0
    records.remove(record)
    return 1


def _promote(records: Records, queue: str, args: Sequence[str]) -> list[int]:
    return [_promote_one(records, records.get(queue, job_id)) for job_id in args]


def _promote_one(records: Records, record: Record | None) -> int:
    if record is None or record.state != "scheduled":
        return 0
    record.due_ms = records.clock()
    records.make_ready(record)
    return 1


def _resolve(records: Records, queue: str, args: Sequence[str]) -> list[bytes]:
    job_id, token, kind, payload = args
    return [resolve(records, records.get(queue, job_id), token, kind, payload.encode()).encode()]


def _pause(records: Records, queue: str, args: Sequence[str]) -> int:
    what, until, _, reason = args
    return records.pauses.pause(queue, until, reason) if what == "pause" else records.pauses.resume(queue)


def _add_schedule(records: Records, queue: str, args: Sequence[str]) -> int:
    name, entry, how = args
    if records.is_in_code(queue, name):
        return AddAnswer.IN_CODE
    known = records.added.get((queue, name))
    if known == entry:
        return AddAnswer.SAME
    if known and how != "replace":
        return AddAnswer.TAKEN
    records.added[queue, name] = entry
    return AddAnswer.CHANGED if known else AddAnswer.ADDED


def _remove_schedule(records: Records, queue: str, args: Sequence[str]) -> int:
    if records.added.pop((queue, args[0]), None) is not None:
        return 1
    return -1 if records.is_in_code(queue, args[0]) else 0


def _added(records: Records, queue: str, args: Sequence[str]) -> list[Any]:
    names = args[2:]
    kept = [(name, entry) for (of, name), entry in records.added.items() if of == queue]
    found = [(name, entry) for name, entry in kept if not names or name in names]
    flat = [item for name, entry in found for item in (name.encode(), entry.encode(), None, None)]
    return [records.clock(), len(found), *flat]


_ANSWERS: dict[str, Callable[[Records, str, Sequence[str]], Any]] = {
    "inspect": _inspect, "result": _result, "cancel": _cancel, "retry": _retry, "resolve": _resolve,
    "delete": _delete, "promote": _promote, "pause": _pause,
    "add_queues": lambda *_: 0, "read_partitions": lambda *_: None,
    "add_schedule": _add_schedule, "remove_schedule": _remove_schedule, "added": _added,
}  # fmt: skip

_OF_FLOWS: dict[str, Callable[[Flows, str, Sequence[str]], Any]] = {
    "open_batch": Flows.open, "close_batch": Flows.close, "cancel_batch": Flows.cancel, "batch": Flows.status,
    "batch_members": Flows.members, "notices": lambda *_: [], "transfers": lambda *_: [0],
}  # fmt: skip
