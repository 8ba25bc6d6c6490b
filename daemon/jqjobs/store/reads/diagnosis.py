"""What `jqctl doctor` asks and nobody else: of many queues in one round trip each. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jqjobs.store import keys
from jqjobs.store.reply_values import count, integer, text
from jqjobs.store.store import Store
from jqjobs.store.wire import raise_first


def died_since(store: Store, since_ms: Mapping[str, int]) -> list[int]:
    """Return for each queue how many of its dead jobs died since its moment."""
    asked = [("ZCOUNT", store.address.key(keys.queue(queue, "dead")), ms, "+inf") for queue, ms in since_ms.items()]
    return [count(reply) for reply in raise_first(store.wire.pipeline(asked) if asked else [])]


def last_deaths(store: Store, queues: Sequence[str]) -> list[int]:
    """Return for each queue when its last dead job died, ms; 0 where none is dead."""
    asked = [("ZRANGE", store.address.key(keys.queue(queue, "dead")), -1, -1, "WITHSCORES") for queue in queues]
    replies = raise_first(store.wire.pipeline(asked) if asked else [])
    return [integer(flat[1]) or 0 if len(flat) > 1 else 0 for flat in replies]


def lease_deadlines(store: Store, queues: Sequence[str]) -> list[dict[str, int]]:
    """Return for each queue its workers, and until when each has its lease, ms."""
    held = ("(0", "+inf", "WITHSCORES")  # at 0 and less a worker is being ended (lua/rules/workers/dead_worker.lua)
    asked = [("ZRANGEBYSCORE", store.address.key(keys.queue(queue, "leases")), *held) for queue in queues]
    replies = raise_first(store.wire.pipeline(asked))
    return [{text(flat[i]): integer(flat[i + 1]) or 0 for i in range(0, len(flat), 2)} for flat in replies]
