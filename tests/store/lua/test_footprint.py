"""What a queued job costs in Redis 7, all keys included: with its default settings, and as the docs advise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jqjobs.jobs.records import NewJob, new_id
from jqjobs.store.calls import enqueueing
from jqjobs.store.store import Store
from servers import Server

JOBS = 20_000
BATCH = 500


#: docs/how-to/redis.md: fields of so many bytes do not make a record a table of its own.
ADVISED = ("--hash-max-listpack-value", "512")


@pytest.mark.parametrize(
    ("payload_bytes", "most_bytes", "settings"),
    [(40, 335, ()), (500, 1000, ()), (100, 390, ADVISED), (500, 865, ADVISED)],
)
def test_a_queued_job_without_options_stays_small(
    payload_bytes: int,
    most_bytes: int,
    settings: tuple[str, ...],
    start_server: Callable[..., Server],
    connect: Callable[..., Store],
) -> None:
    store = connect(start_server("redis", *settings).url)
    send(store, BATCH, payload_bytes)  # scripts and buffers are there
    store.wire.call("FLUSHALL")
    before = used_memory(store)
    for _ in range(JOBS // BATCH):
        send(store, BATCH, payload_bytes)
    per_job = (used_memory(store) - before) / JOBS
    print(f"\nbytes per queued job, payload of {payload_bytes}: {per_job:.1f}")

    assert store.wire.call("ZCARD", "jq:{q}:ready") == JOBS
    assert per_job <= most_bytes


def send(store: Store, count: int, payload_bytes: int) -> None:
    payload = b'{"args":["%s"]}' % (b"x" * (payload_bytes - 13))
    assert len(payload) == payload_bytes
    store.run(enqueueing.enqueue("q", [NewJob("send_welcome", payload, id=new_id()) for _ in range(count)]))


def used_memory(store: Store) -> int:
    """What is in use on a fresh connection, without the buffers of the one that sent the jobs."""
    store.close()
    return min(_used_memory(store) for _ in range(20))


def _used_memory(store: Store) -> int:
    store.wire.call("SLOWLOG", "RESET")  # it keeps arguments of slow calls
    info = store.wire.call("INFO", "memory").decode()
    return int(info.split("used_memory:")[1].split()[0])
