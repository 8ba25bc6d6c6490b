"""join, renew, and lua/rules/workers/expired_leases.lua: who holds a lease, until when, and who may take it away."""

from __future__ import annotations

import pytest

from jqjobs.jobs.records import Status
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.reads import jobs
from store.queue_system import LEASE_MS, START_MS, QueueSystem


def lease(system: QueueSystem, worker: str = "w") -> float | None:
    return system.score("leases", worker)


def test_join_gives_a_lease_from_now(system: QueueSystem) -> None:
    system.join("w")

    assert lease(system) == START_MS + LEASE_MS


def test_joining_again_while_joined_only_renews(system: QueueSystem) -> None:
    system.join("w")
    system.trip("w", number=5)
    system.clock.advance(10)
    system.join("w")

    assert lease(system) == START_MS + 10 + LEASE_MS
    assert system.trip("w", number=5).status is Status.LATE


def test_a_worker_that_left_never_joins_again(system: QueueSystem) -> None:
    system.join("w")
    system.run(leases.leave("q", "w"))

    assert system.run(leases.join("q", "w", LEASE_MS)) is False
    assert lease(system) is None


def test_a_worker_that_was_reaped_never_joins_again(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    system.join("w")
    system.outlive_leases()

    assert system.run(leases.join("q", "w", LEASE_MS)) is False


def test_the_trip_number_outlives_its_worker_for_a_day(system: QueueSystem) -> None:
    system.join("w")
    system.trip("w")
    system.run(leases.leave("q", "w"))

    assert 86_000_000 < system.redis("PTTL", system.key("trip:w")) <= 86_400_000


def test_renew_extends_leases(system: QueueSystem) -> None:
    system.join("busy", "idle")
    system.clock.advance(1000)

    assert system.run(leases.renew(["q"], LEASE_MS, ["busy", "gone", "idle"]))[0].leased == [True, False, True]
    assert lease(system, "busy") == lease(system, "idle") == START_MS + 1000 + LEASE_MS


def test_the_trip_number_of_who_is_renewed_is_kept_for_another_day_once_an_hour(system: QueueSystem) -> None:
    system.join("w")
    system.redis("PEXPIRE", system.key("trip:w"), 82_800_000)
    system.clock.advance(3_600_000)
    system.run(leases.renew(["q"], LEASE_MS, ["w"]))
    assert system.redis("PTTL", system.key("trip:w")) > 86_000_000


def test_one_call_renews_in_several_queues_and_tells_of_each(system: QueueSystem) -> None:
    system.skip_unless_one_call(["q", "r"])
    system.join("a")
    system.join("b", queues=("q", "r"))
    digest = system.offer("n", queue="r")
    system.clock.advance(1000)
    first, second = system.run(leases.renew(["q", "r"], LEASE_MS, ["a", "b"], [digest]))
    assert (first, second) == (leases.Renewed([True, True], {digest}), leases.Renewed([False, True], set()))
    assert system.score("leases", "b", "r") == system.score("leases", "a") == START_MS + 1000 + LEASE_MS


@pytest.mark.parametrize("key", ["roster", "catalog"])
def test_what_is_offered_is_kept_for_seven_days_more_once_an_hour(system: QueueSystem, key: str) -> None:
    system.run(leases.publish("q", LEASE_MS, {"n": {"doc": ""}}))
    digest = system.offer("n")
    name = system.key(f"roster:{digest}" if key == "roster" else key)
    system.redis("PEXPIRE", name, 1_000_000)
    system.run(leases.renew(["q"], LEASE_MS, [], [digest]))
    assert system.redis("PTTL", name) <= 1_000_000, "in this hour that was said"
    system.clock.advance(3_600_000)
    system.run(leases.renew(["q"], LEASE_MS, [], [digest]))
    assert system.redis("PTTL", name) > 7 * 86_400_000 - 60_000


def test_a_roster_that_was_forgotten_and_is_offered_again_in_the_same_hour_expires(system: QueueSystem) -> None:
    digest = system.offer("n")
    system.redis("DEL", system.key(f"roster:{digest}"))
    assert system.offer("n") == digest
    assert system.redis("PTTL", system.key(f"roster:{digest}")) > 0


def test_renew_never_brings_a_lease_back(system: QueueSystem) -> None:
    system.join("gone")
    system.run(leases.leave("q", "gone"))

    assert system.run(leases.renew(["q"], LEASE_MS, ["gone", "never"]))[0].leased == [False, False]
    assert system.ids("leases") == []


def test_a_renewed_worker_is_not_reaped_however_long_it_is_busy(system: QueueSystem) -> None:
    system.add("a", "b")
    system.reaping_works_from_now()
    system.take("busy")
    system.take("dead")
    for _ in range(3):
        system.outlive_leases(renewing=["busy"])

    assert system.active() == {"busy": ["a"]}
    assert system.ids("ready") == ["b"]


def test_housekeeping_reaps_after_the_lease_and_not_before(system: QueueSystem) -> None:
    system.add("a")
    system.reaping_works_from_now()
    system.take("w")
    for part in range(4):
        assert system.tend().reaped == 0, part
        system.clock.advance(LEASE_MS // 4 - (part == 3))
    assert system.tend().reaped == 0
    system.clock.advance(LEASE_MS // 30)

    assert system.tend().reaped == 1
    assert system.states("a") == ["ready"]


def test_reaping_looks_at_most_thirty_times_a_lease(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    system.clock.advance(LEASE_MS // 30 - 1)
    system.tend()
    assert system.meta("reaped") == START_MS
    system.clock.advance(1)
    system.tend()

    assert system.meta("reaped") == START_MS + LEASE_MS // 30


def test_the_first_look_at_a_queue_grants_amnesty(system: QueueSystem) -> None:
    system.add("a")
    system.join("w", lease_ms=10)
    system.trip("w", 1)
    system.redis("HDEL", system.key("meta"), "reaped")
    system.clock.advance(1000)

    assert system.tend().reaped == 0
    assert lease(system) == START_MS + 1000 + LEASE_MS
    assert system.states("a") == ["active:w"]


@pytest.mark.parametrize("outage_ms", [LEASE_MS // 3 + 1, 2 * LEASE_MS, 86_400_000])
def test_after_an_outage_every_lease_gets_one_full_term_once(system: QueueSystem, outage_ms: int) -> None:
    system.add("a", "b")
    system.reaping_works_from_now()
    system.take("alive")
    system.take("dead")
    system.clock.advance(outage_ms)
    assert system.tend().reaped == 0
    assert lease(system, "dead") == lease(system, "alive") == system.clock.now_ms + LEASE_MS

    system.outlive_leases(renewing=["alive"])
    assert system.active() == {"alive": ["a"]}


def test_amnesty_comes_with_the_first_trip_of_any_worker_too(system: QueueSystem) -> None:
    system.add("a", "b")
    system.reaping_works_from_now()
    system.take("other")
    system.join("w")
    system.clock.advance(3 * LEASE_MS)
    system.trip("w")

    assert system.states("a") == ["active:other"]
    assert lease(system, "other") == system.clock.now_ms + LEASE_MS


def test_amnesty_does_not_shorten_a_longer_lease(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    system.join("patient", lease_ms=10 * LEASE_MS)
    system.clock.advance(LEASE_MS)
    system.tend()

    assert lease(system, "patient") == START_MS + 10 * LEASE_MS


@pytest.mark.parametrize("back_ms", [LEASE_MS // 2, 3_600_000])
def test_a_clock_set_back_steals_no_lease_and_leaves_none_too_long(system: QueueSystem, back_ms: int) -> None:
    system.add("a", "b")
    system.reaping_works_from_now()
    system.take("alive")
    system.take("dead")
    system.clock.advance(-back_ms)

    assert system.tend().reaped == 0
    assert lease(system, "dead") == lease(system, "alive") == system.clock.now_ms + LEASE_MS
    system.outlive_leases(renewing=["alive"])
    assert system.active() == {"alive": ["a"]}


def test_a_clock_that_goes_back_a_little_still_reaps_in_time(system: QueueSystem) -> None:
    system.add("a")
    system.reaping_works_from_now()
    system.take("dead")
    system.clock.advance(-LEASE_MS // 4)
    system.tend()
    for _ in range(6):
        system.clock.advance(LEASE_MS // 4)
        system.tend()

    assert system.states("a") == ["ready"]


def test_a_clock_set_forward_an_hour_reaps_nobody_who_is_renewed(system: QueueSystem) -> None:
    system.add("a")
    system.reaping_works_from_now()
    system.take("w")
    system.clock.advance(3_600_000)
    system.tend()
    system.run(leases.renew(["q"], LEASE_MS, ["w"]))
    system.outlive_leases(renewing=["w"])

    assert system.states("a") == ["active:w"]


def test_housekeeping_reaps_at_most_ten_workers_and_asks_to_be_repeated(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    system.join(*[f"w{i}" for i in range(15)])
    for _ in range(3):
        system.clock.advance(LEASE_MS // 4)
        system.tend()
    system.clock.advance(LEASE_MS // 4)

    first = system.tend()
    assert (first.reaped, first.more) == (10, True)
    system.clock.advance(LEASE_MS // 30)
    second = system.tend()
    assert (second.reaped, second.more) == (5, False)


def test_a_round_that_is_asked_to_be_repeated_reaps_the_rest_at_once(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    system.join(*[f"w{i}" for i in range(25)])
    for _ in range(3):
        system.clock.advance(LEASE_MS // 4)
        system.tend()
    system.clock.advance(LEASE_MS // 4)
    rounds = 1
    while system.tend().more:
        rounds += 1
        assert rounds < 10

    assert system.ids("leases") == []


@pytest.fixture
def laden(system: QueueSystem) -> QueueSystem:
    """A worker had 80 jobs in hand when its lease ran out, and the first of three parts of that has been reaped."""
    system.reaping_works_from_now()
    system.add(*[f"j{n:03}" for n in range(80)])
    system.take("w", 80)
    for _ in range(4):
        system.clock.advance(LEASE_MS // 4 - 1)
        system.tend()
    system.clock.advance(LEASE_MS // 4)
    found = system.tend()
    assert (found.more, found.reaped, len(system.ids("ready"))) == (True, 0, leases.MOST_ENDED)
    return system


def test_one_that_had_very_much_in_hand_is_reaped_in_parts(laden: QueueSystem) -> None:
    assert [(found.more, found.reaped) for found in (laden.tend(), laden.tend())] == [(True, 0), (False, 1)]
    assert laden.ids("ready") == [f"j{n:03}" for n in range(80)]
    assert (laden.active(), laden.ids("leases")) == ({}, [])
    assert {laden.counters(job_id)["lost"] for job_id in laden.ids()} == {1}


def test_meanwhile_it_is_fenced_and_what_it_has_is_not_lost_sight_of(laden: QueueSystem) -> None:
    assert laden.trip("w", 1).status is Status.FENCED
    assert laden.run(leases.renew(["q"], LEASE_MS, ["w"]))[0].leased == [False]
    assert laden.run(leases.join("q", "w", LEASE_MS)) is False
    info = laden.run(jobs.job_info("q", "j079"))
    assert (info.state, info.worker) == ("active", "w")


@pytest.mark.parametrize("jump_ms", [LEASE_MS, -LEASE_MS])
def test_nor_does_amnesty_bring_it_back(laden: QueueSystem, jump_ms: int) -> None:
    laden.clock.advance(jump_ms)
    laden.tend()
    assert laden.trip("w").status is Status.FENCED
    while laden.tend().more:
        pass
    laden.clock.advance(LEASE_MS // 30)
    while laden.tend().more:
        pass
    assert len(laden.ids("ready")) == 80


def test_its_daemon_ends_the_rest_as_its_board_says(laden: QueueSystem) -> None:
    board = [BoardEntry("j079", 1, "succeeded")]
    ended = [laden.run(leases.leave("q", "w", "killed", board)) for _ in range(3)]
    assert ended == [leases.MOST_ENDED, 20, -1]
    assert (laden.states("j079"), len(laden.ids("ready"))) == ([], 79)
