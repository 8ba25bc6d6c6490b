"""A job as a line of JSON, to be kept in a file or enqueued anew: what it was asked to do, and what became of it.

The payload stands in it byte for byte, as the value of its last key, so its numbers keep their digits.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec

from jqjobs.base.clock import LONGEST_MS
from jqjobs.errors import InvalidArguments, PayloadTooLarge
from jqjobs.jobs.groups import check_group, group_fields
from jqjobs.jobs.options import check_coalesce, check_integer, check_tags, tag_fields
from jqjobs.jobs.records import MAX_PAYLOAD_BYTES, PRIORITIES, Coalesce, NewJob, check_name

_VERSION = 1


def line_of(facts: dict[str, Any], payload: bytes) -> bytes:
    """Return the line of a job, without its end. A payload that is no JSON is told as base64."""
    head = {"v": _VERSION, **facts}
    try:
        msgspec.json.decode(payload)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return json.dumps(head | {"payload_base64": base64.b64encode(payload).decode()}).encode()
    # Within JSON a line may end between two tokens only, where a space is as good.
    raw = payload.replace(b"\n", b" ").replace(b"\r", b" ")
    return json.dumps(head).encode()[:-1] + b', "payload": ' + raw + b"}"


class Options(msgspec.Struct, frozen=True):
    """How it is run, None: as its app says. Times in ms."""

    max_attempts: int | None = None
    max_crashes: int | None = None
    timeout: int | None = None
    keep: int | None = None
    limits: str | None = None

    def fields(self) -> tuple[int | str, ...]:
        """Return those that are given, as they are stored. Raises: InvalidOption."""
        found: list[int | str] = []
        for name in self.__struct_fields__:
            if (value := getattr(self, name)) is not None:
                if name != "limits":
                    check_integer(value, name, range(1, LONGEST_MS))
                found += [name, value]
        return tuple(found)


class Line(msgspec.Struct):
    """What of a line is needed to enqueue the job anew."""

    queue: str
    id: str
    name: str
    v: int = _VERSION
    state: str = ""
    priority: int = 0
    key: str | None = None
    coalesce: str = Coalesce.UNFINISHED
    due_ms: int | None = None
    tags: tuple[str, ...] = ()
    group: str | None = None
    options: Options = Options()
    payload: msgspec.Raw = msgspec.Raw()
    payload_base64: str = ""


def read_line(line: bytes) -> tuple[str, NewJob]:
    """Return the queue and the job of a line. Raises: InvalidArguments, PayloadTooLarge, InvalidName, InvalidOption."""
    try:
        found = msgspec.json.decode(line, type=Line)
        payload = (
            base64.b64decode(found.payload_base64, validate=True) if not bytes(found.payload) else bytes(found.payload)
        )
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise InvalidArguments(f"it is no job: {error}") from None
    if found.v != _VERSION:
        raise InvalidArguments(f"it is of version {found.v}; this reads {_VERSION}")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge()
    check_integer(found.priority, "priority", PRIORITIES)
    check_coalesce(found.coalesce, None)
    check_tags(found.tags)
    check_group(found.group)
    due = str(found.due_ms) if found.state == "scheduled" and found.due_ms is not None else ""
    return check_name(found.queue, "queue"), NewJob(
        check_name(found.name, "job"), payload, check_name(found.id, "id"), found.priority, due, found.key or "",
        (*group_fields(found.group), *found.options.fields(), *tag_fields(found.tags)), found.coalesce,
    )  # fmt: skip
