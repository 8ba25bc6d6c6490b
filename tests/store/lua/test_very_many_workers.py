"""However many workers a queue has, none is left out: who is, has its jobs taken for lost."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Status
from jqjobs.jobs.selector import Selector
from jqjobs.store.calls import daemons, leases, upkeep
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from jqjobs.store.reads import jobs, queues
from jqjobs.store.reads.diagnosis import lease_deadlines
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.reads.rosters import offered_names
from jqjobs.store.reads.search import Cursor, search
from store.queue_system import LEASE_MS, START_MS, QueueSystem

OTHERS = 5000


@pytest.fixture
def crowded(system: QueueSystem) -> QueueSystem:
    """A job is in the hands of the one worker, of 5,001, whose lease ends last."""
    system.add("a")
    system.take("last")
    system.redis("ZADD", system.key("leases"), *(item for n in range(OTHERS) for item in (START_MS + n, f"w{n}")))
    assert system.redis("ZRANK", system.key("leases"), "last") == OTHERS
    return system


def test_its_job_is_seen_wherever_somebody_looks(crowded: QueueSystem) -> None:
    info = crowded.run(jobs.job_info("q", "a"))
    status = crowded.run(queues.queue_status("q"))
    page = crowded.run(search("q", Selector(), Cursor("active")))

    assert (info.state, info.worker) == ("active", "last")
    assert (status.workers, status.active, status.busy) == (OTHERS + 1, 1, ("last",))
    assert ([(row.id, row.worker) for row in page.rows], page.total) == ([("a", "last")], 1)
    assert "last" in lease_deadlines(crowded.store, ["q"])[0]


def test_its_job_is_neither_deleted_nor_forgotten_by_a_cancel(crowded: QueueSystem) -> None:
    assert crowded.run(upkeep.delete("q", ["a"])) == [upkeep.Deleted.IN_HAND]
    assert crowded.run(cancel("q", ["a"])) == [CancelAnswer.CANCELLING]
    assert crowded.ids("cancels") == ["last a 1"]


@pytest.mark.parametrize("jump_ms", [LEASE_MS, -LEASE_MS])
def test_amnesty_is_granted_to_all(crowded: QueueSystem, jump_ms: int) -> None:
    """In parts, while leases are renewed and workers make trips; nobody is reaped before all have it."""
    crowded.join("w")
    crowded.clock.advance(jump_ms)
    began_ms, calls = crowded.clock.now_ms, 1
    while crowded.tend().more:
        calls += 1
        crowded.clock.advance(20)
        crowded.run(leases.renew(["q"], LEASE_MS, ["last"], []))
        assert crowded.trip("w").status is Status.OK

    full_ms, found = began_ms + LEASE_MS, crowded.redis("ZRANGE", crowded.key("leases"), 0, -1, "WITHSCORES")
    assert len(found) == 2 * (OTHERS + 2)
    assert {True} == {full_ms <= float(until_ms) <= crowded.clock.now_ms + LEASE_MS for until_ms in found[1::2]}
    assert calls > 2


def test_a_daemon_with_longer_leases_reaps_none_that_has_not_had_its_amnesty(crowded: QueueSystem) -> None:
    crowded.redis("HSET", crowded.key("meta"), "reaped", START_MS)
    crowded.clock.advance(LEASE_MS // 2)  # an outage only to those whose leases are short
    assert crowded.tend().more
    assert crowded.run(upkeep.housekeep("q", 3 * LEASE_MS, 1000, 10**12, 0)).reaped == 0
    while crowded.tend().more:
        crowded.clock.advance(20)

    assert crowded.redis("ZCOUNT", crowded.key("leases"), crowded.clock.now_ms, "+inf") == OTHERS + 1


def test_all_names_that_are_offered_are_known(system: QueueSystem) -> None:
    names = {f"n{n}" for n in range(1001)}
    system.redis("ZADD", system.key("offers"), *(item for name in names for item in (START_MS + 1, name)))

    assert set(*offered_names(system.store, ["q"], START_MS)) == names


def test_all_daemons_are_there(system: QueueSystem) -> None:
    """Also those that were heard of before a thousand others, of whom most may be gone."""
    system.store._now_ms = None  # the registry is read by the clock of Redis
    system.run(daemons.register("first", 60_000, {"name": "first", "queues": "emails"}, {}))
    now_ms = read_registry(system.store).now_ms
    system.redis("ZADD", "jq:{~}:daemons", *(item for n in range(1001) for item in (now_ms + 60_000, f"gone{n}")))

    assert read_registry(system.store).serves("emails")
