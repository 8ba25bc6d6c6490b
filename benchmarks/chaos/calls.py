"""Makes the calls of each kind: through the library, or as a raw envelope. Knows the arguments, decides by a seed."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import redis

from chaos.jobs import QUICK
from chaos.kinds import Kind
from jqjobs import App
from jqjobs.errors import StoreError

_TENANTS, _KEYS = 3, 4
_KEEP_MS = 20_000


class Reply(StrEnum):
    """What a producer was told of its call."""

    ACCEPTED = "accepted"
    COALESCED = "coalesced"  #: another job stands for it
    REFUSED = "refused"  #: with an error that says that nothing was stored
    UNKNOWN = "unknown"  #: with an error that does not


@dataclass(slots=True)
class Call:
    """One call. ``id``: of the job that stands for it."""

    id: str
    kind: Kind
    queue: str
    at_ms: int
    reply: Reply = Reply.UNKNOWN


def _options(kind: str, rng: random.Random) -> dict[str, Any]:
    match kind:
        case "delayed":
            return {"delay": rng.uniform(0.1, 6)}
        case "urgent":
            return {"priority": rng.randint(-10, 10)}
        case "expiring":
            return {"expires": rng.uniform(0.5, 10), "delay": rng.uniform(0.1, 5)}
        case "keyed":
            return {"key": f"unfinished-{rng.randrange(_KEYS)}"}
        case "keyed_queued":
            return {"key": f"queued-{rng.randrange(_KEYS)}", "coalesce": "queued"}
        case "debounced":
            return {"key": f"bounce-{rng.randrange(_KEYS)}", "coalesce": "queued", "replace": True,
                    "delay": rng.uniform(0.1, 3)}  # fmt: skip
        case "keyed_stored":
            return {"key": f"stored-{rng.randrange(40)}", "coalesce": "stored"}
    return {}


def arguments(kind: Kind, rng: random.Random) -> tuple[int, ...]:
    """Return the arguments of a call."""
    match kind.job:
        case "answer":
            return (rng.randrange(1_000_000),)
        case "tenant":
            return (rng.randrange(_TENANTS),)
    return ()


def enqueue(app: App, call: Call, args: tuple[int, ...], rng: random.Random) -> None:
    """Make a call through the library, and note what became of it."""
    job = app.jobs[call.kind.job].options(id=call.id, **_options(call.kind.name, rng))
    call.queue = job.queue
    try:
        handle = job.enqueue(*args)
    except StoreError as error:
        call.reply = Reply.UNKNOWN if error.maybe_stored else Reply.REFUSED
    else:
        call.reply = Reply.ACCEPTED if handle.id == call.id else Reply.COALESCED
        call.id = handle.id


def push(client: redis.Redis, call: Call, args: tuple[int, ...]) -> None:
    """Make a call as any program in any language does."""
    envelope: dict[str, Any] = {"job": call.kind.job, "id": call.id, "args": args}
    if call.kind.name == "raw_kept":
        envelope["keep_ms"] = _KEEP_MS
    inbox = f"jq:{{{call.queue or QUICK}}}:inbox"
    try:
        client.lpush(inbox, json.dumps(envelope))
    except redis.exceptions.OutOfMemoryError:
        call.reply = Reply.REFUSED
    except redis.RedisError:
        call.reply = Reply.UNKNOWN
    else:
        call.reply = Reply.ACCEPTED
