"""Jobs in queues where no worker waits are heard of at once, whatever brings them, and nobody loses a token by that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jqjobs.daemon.leases.token_watch import TokenWatch
from jqjobs.store.calls.leases import join_by_turn
from store.queue_system import LEASE_MS, QueueSystem
from waiting import eventually

QUEUES = [f"t-{number}" for number in range(9)]


@pytest.fixture
def watch(real_system: QueueSystem) -> Iterator[TokenWatch]:
    made = TokenWatch(real_system.store.address, ("t-*", "u-*"))
    made.start()
    made.watch([*QUEUES, "u-1"])
    yield made
    made.end()


def wait_for_call(system: QueueSystem, *queues: str, pattern: str = "t-*") -> None:
    key = f"jq:{{~}}:wakes:{pattern}"
    called = [queue.encode() for queue in queues]
    eventually(lambda: {*system.redis("ZRANGE", key, 0, -1)} >= {*called}, 30, "workers are called")
    system.redis("DEL", key)


@pytest.mark.usefixtures("watch")
def test_the_token_of_a_job_calls_a_worker_there_and_still_stands(real_system: QueueSystem) -> None:
    for queue, pattern in (("t-3", "t-*"), ("u-1", "u-*")):
        real_system.add("a", queue=queue)
        wait_for_call(real_system, queue, pattern=pattern)
        assert real_system.ids("wake", queue) == ["1"]


@pytest.mark.usefixtures("watch")
def test_it_hears_of_the_next_job_once_a_worker_has_taken_the_token_along(real_system: QueueSystem) -> None:
    for number in range(3):
        real_system.add(f"job-{number}", queue="t-3")
        wait_for_call(real_system, "t-3")
        real_system.run(join_by_turn("t-3", f"w{number}", LEASE_MS, "d"))


def test_queues_that_it_is_told_of_later_are_watched_and_those_of_another_daemon_are_not(
    real_system: QueueSystem, watch: TokenWatch
) -> None:
    watch.watch(["t-new"])
    real_system.add("a", queue="t-new")
    wait_for_call(real_system, "t-new")
    watch.watch(())
    eventually(lambda: b"blocked_clients:0" in real_system.redis("INFO", "clients"), 30, "it waits for none")
    real_system.add("a", queue="t-1")
    watch.watch(["t-2"])
    real_system.add("a", queue="t-2")
    wait_for_call(real_system, "t-2")


@pytest.mark.usefixtures("watch")
def test_after_its_connections_were_cut_it_goes_on(real_system: QueueSystem) -> None:
    real_system.add("a", queue="t-1")
    wait_for_call(real_system, "t-1")
    real_system.use_up_token("t-1")
    real_system.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def is_heard_of() -> bool:  # of a token that comes just then nobody hears: it is on its way to who is gone
        real_system.redis("ZADD", real_system.key("wake", "t-2"), 0, 1)
        return b"t-2" in real_system.redis("ZRANGE", "jq:{~}:wakes:t-*", 0, -1)

    eventually(is_heard_of, 30, "it waits for tokens again")
