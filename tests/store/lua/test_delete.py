"""lua/delete.lua and lua/promote.lua: nothing of a deleted job stays, and what is promoted waits no longer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jqjobs.jobs.limits import Concurrency
from jqjobs.jobs.records import Kind, NewJob
from jqjobs.store.calls import enqueueing, leases, upkeep
from jqjobs.store.calls.upkeep import Deleted
from store.lua.one_job import parked, ready, scheduled
from store.queue_system import LEASE_MS, QueueSystem

#: Keys of a queue that are not of one job, or say only that there was a worker.
_QUEUES_OWN = {
    "meta",
    "wake",
    "leases",
    "trip:w",
    "offers",
    "catalog",
    "succeeded",
    "minute:28333333",
    "rosters",
    f"roster:{leases.roster(['n']).digest}",
}


def delete(system: QueueSystem, *ids: str) -> list[Deleted]:
    found: list[Deleted] = system.run(upkeep.delete("q", ids))
    return found


def left(system: QueueSystem) -> set[str]:
    """The parts of the queue that there are, but for those that belong to no job."""
    names = {key.decode().partition("}:")[2] for key in system.redis("KEYS", "jq:{q}:*")}
    return {name for name in names if not name.startswith(("minute:", "stats", "recent"))} - _QUEUES_OWN


def waiting(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.round(Kind.WAITING, number=60_000)


def kept(system: QueueSystem) -> None:
    system.add("a", key="k", fields=("keep", 5000))
    system.round(Kind.KEPT, number=5000)


def dead_with_hooks(system: QueueSystem) -> None:
    system.run(leases.publish("q", LEASE_MS, {"n": {"hooks": True}}))
    system.add("a", key="k", fields=("expires", 1))
    system.clock.advance(2)
    system.take("w")
    assert system.ids("hooks") == ["a n"]


@pytest.mark.parametrize("bring", [ready, scheduled, parked, waiting, kept, dead_with_hooks])
def test_nothing_of_a_deleted_job_stays(system: QueueSystem, bring: Callable[[QueueSystem], None]) -> None:
    bring(system)
    assert delete(system, "a") == [Deleted.GONE]
    assert left(system) == set()
    assert delete(system, "a") == [Deleted.UNKNOWN]


def test_a_held_job_leaves_its_limit_and_the_next_one_goes(system: QueueSystem) -> None:
    system.add_limited("a", "b", "c", limits=Concurrency(1).text("one"))
    [running] = system.take("w", want=3)
    assert system.take("w2", want=3) == []
    assert system.ids("held") == ["b", "c"]
    assert delete(system, "b") == [Deleted.GONE]
    system.settle("w", running, Kind.DONE)
    assert [job.id for job in system.take("w", want=3)] == ["c"]


def test_what_a_worker_has_in_hand_is_let_be(system: QueueSystem) -> None:
    system.add("a", "b", "c")
    [job] = system.take("w")
    assert delete(system, "a", "b", "ghost") == [Deleted.IN_HAND, Deleted.GONE, Deleted.UNKNOWN]
    system.settle("w", job, Kind.DONE)
    assert system.ids("ready") == ["c"]


def test_a_deleted_job_frees_its_key_and_its_id(system: QueueSystem) -> None:
    system.add("a", key="k")
    delete(system, "a")
    [again] = system.run(enqueueing.enqueue("q", [NewJob("n", b"{}", id="a", key="k")]))
    assert again.created


def test_of_a_success_that_is_deleted_it_is_known_that_it_was_one(system: QueueSystem) -> None:
    kept(system)
    delete(system, "a")
    assert system.redis("LRANGE", system.key("succeeded"), 0, -1) == [b"a"]


def test_damaged_jobs_and_records_without_a_set_can_be_deleted(system: QueueSystem) -> None:
    system.add("a", "b")
    system.redis("DEL", system.key("job:a"))
    system.redis("SET", system.key("job:a"), "x")
    system.redis("ZREM", system.key("ready"), "b")
    assert delete(system, "a", "b") == [Deleted.GONE, Deleted.GONE]
    assert left(system) == set()


def test_a_promoted_job_is_due_now_and_one_that_was_put_off_has_its_old_place(system: QueueSystem) -> None:
    system.offer("n")
    system.add("aside")
    system.round(Kind.UNKNOWN)
    system.add("later", due="+5000")
    system.add("ready")
    assert system.run(upkeep.promote("q", ["later", "aside", "ready", "ghost"])) == [True, True, False, False]
    assert system.ids("ready") == ["aside", "ready", "later"]
    assert system.ids("scheduled") == []
    assert system.job("later")["due"] == str(system.clock())


def test_to_promote_what_has_no_record_brings_none_into_being(system: QueueSystem) -> None:
    system.add("a", due="+5000")
    system.redis("DEL", system.key("job:a"))
    assert system.run(upkeep.promote("q", ["a"])) == [True]
    assert left(system) == set()


def test_an_idle_worker_hears_of_a_promoted_job(system: QueueSystem) -> None:
    system.add("a", due="+5000")
    system.take("w")
    system.redis("DEL", system.key("wake"))
    system.run(upkeep.promote("q", ["a"]))
    assert system.ids("wake") == ["1"]
