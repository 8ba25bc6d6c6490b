"""join, renew, and lua/flow.lua: who holds a lease, until when, and who may take it away."""

from __future__ import annotations

import pytest

from jqjobs.job import Status
from jqjobs.store import calls
from store.rig import LEASE_MS, START_MS, Rig


def lease(rig: Rig, worker: str = "w") -> float | None:
    return rig.score("leases", worker)


def test_join_gives_a_lease_from_now(rig: Rig) -> None:
    rig.join("w")

    assert lease(rig) == START_MS + LEASE_MS


def test_joining_again_while_joined_only_renews(rig: Rig) -> None:
    rig.join("w")
    rig.trip("w", number=5)
    rig.clock.advance(10)
    rig.join("w")

    assert lease(rig) == START_MS + 10 + LEASE_MS
    assert rig.trip("w", number=5).status is Status.LATE


def test_a_worker_that_left_never_joins_again(rig: Rig) -> None:
    rig.join("w")
    rig.run(calls.leave("q", "w", "interrupt"))

    assert rig.run(calls.join("q", "w", LEASE_MS)) is False
    assert lease(rig) is None


def test_a_worker_that_was_reaped_never_joins_again(rig: Rig) -> None:
    rig.reaping_works_from_now()
    rig.join("w")
    rig.outlive_leases()

    assert rig.run(calls.join("q", "w", LEASE_MS)) is False


def test_the_trip_number_outlives_its_worker_for_a_day(rig: Rig) -> None:
    rig.join("w")
    rig.trip("w")
    rig.run(calls.leave("q", "w", "interrupt"))

    assert 86_000_000 < rig.redis("PTTL", rig.key("trip:w")) <= 86_400_000


def test_renew_extends_leases_and_says_how_much_each_worker_holds(rig: Rig) -> None:
    rig.add("a", "b", "c")
    rig.take("busy", 2)
    rig.join("idle")
    rig.clock.advance(1000)

    assert rig.run(calls.renew("q", LEASE_MS, ["busy", "idle"])) == [2, 0]
    assert lease(rig, "busy") == lease(rig, "idle") == START_MS + 1000 + LEASE_MS


def test_renew_never_brings_a_lease_back(rig: Rig) -> None:
    rig.join("gone")
    rig.run(calls.leave("q", "gone", "interrupt"))

    assert rig.run(calls.renew("q", LEASE_MS, ["gone", "never"])) == [-1, -1]
    assert rig.ids("leases") == []


def test_a_renewed_worker_is_not_reaped_however_long_it_is_busy(rig: Rig) -> None:
    rig.add("a", "b")
    rig.reaping_works_from_now()
    rig.take("busy")
    rig.take("dead")
    for _ in range(3):
        rig.outlive_leases(renewing=["busy"])

    assert rig.active() == {"busy": ["a"]}
    assert rig.ids("ready") == ["b"]


def test_housekeeping_reaps_after_the_lease_and_not_before(rig: Rig) -> None:
    rig.add("a")
    rig.reaping_works_from_now()
    rig.take("w")
    for part in range(4):
        assert rig.tend().reaped == 0, part
        rig.clock.advance(LEASE_MS // 4 - (part == 3))
    assert rig.tend().reaped == 0
    rig.clock.advance(LEASE_MS // 30)

    assert rig.tend().reaped == 1
    assert rig.states("a") == ["ready"]


def test_reaping_looks_at_most_thirty_times_a_lease(rig: Rig) -> None:
    rig.reaping_works_from_now()
    rig.clock.advance(LEASE_MS // 30 - 1)
    rig.tend()
    assert rig.meta("reaped") == START_MS
    rig.clock.advance(1)
    rig.tend()

    assert rig.meta("reaped") == START_MS + LEASE_MS // 30


def test_the_first_look_at_a_queue_grants_amnesty(rig: Rig) -> None:
    rig.add("a")
    rig.join("w", lease_ms=10)
    rig.trip("w", 1)
    rig.redis("HDEL", rig.key("meta"), "reaped")
    rig.clock.advance(1000)

    assert rig.tend().reaped == 0
    assert lease(rig) == START_MS + 1000 + LEASE_MS
    assert rig.states("a") == ["active:w"]


@pytest.mark.parametrize("outage_ms", [LEASE_MS // 3 + 1, 2 * LEASE_MS, 86_400_000])
def test_after_an_outage_every_lease_gets_one_full_term_once(rig: Rig, outage_ms: int) -> None:
    rig.add("a", "b")
    rig.reaping_works_from_now()
    rig.take("alive")
    rig.take("dead")
    rig.clock.advance(outage_ms)
    assert rig.tend().reaped == 0
    assert lease(rig, "dead") == lease(rig, "alive") == rig.clock.now_ms + LEASE_MS

    rig.outlive_leases(renewing=["alive"])
    assert rig.active() == {"alive": ["a"]}


def test_amnesty_comes_with_the_first_trip_of_any_worker_too(rig: Rig) -> None:
    rig.add("a", "b")
    rig.reaping_works_from_now()
    rig.take("other")
    rig.join("w")
    rig.clock.advance(3 * LEASE_MS)
    rig.trip("w")

    assert rig.states("a") == ["active:other"]
    assert lease(rig, "other") == rig.clock.now_ms + LEASE_MS


def test_amnesty_does_not_shorten_a_longer_lease(rig: Rig) -> None:
    rig.reaping_works_from_now()
    rig.join("patient", lease_ms=10 * LEASE_MS)
    rig.clock.advance(LEASE_MS)
    rig.tend()

    assert lease(rig, "patient") == START_MS + 10 * LEASE_MS


@pytest.mark.parametrize("back_ms", [LEASE_MS // 2, 3_600_000])
def test_a_clock_set_back_steals_no_lease_and_leaves_none_too_long(rig: Rig, back_ms: int) -> None:
    rig.add("a", "b")
    rig.reaping_works_from_now()
    rig.take("alive")
    rig.take("dead")
    rig.clock.advance(-back_ms)

    assert rig.tend().reaped == 0
    assert lease(rig, "dead") == lease(rig, "alive") == rig.clock.now_ms + LEASE_MS
    rig.outlive_leases(renewing=["alive"])
    assert rig.active() == {"alive": ["a"]}


def test_a_clock_that_goes_back_a_little_still_reaps_in_time(rig: Rig) -> None:
    rig.add("a")
    rig.reaping_works_from_now()
    rig.take("dead")
    rig.clock.advance(-LEASE_MS // 4)
    rig.tend()
    for _ in range(6):
        rig.clock.advance(LEASE_MS // 4)
        rig.tend()

    assert rig.states("a") == ["ready"]


def test_a_clock_set_forward_an_hour_reaps_nobody_who_is_renewed(rig: Rig) -> None:
    rig.add("a")
    rig.reaping_works_from_now()
    rig.take("w")
    rig.clock.advance(3_600_000)
    rig.tend()
    rig.run(calls.renew("q", LEASE_MS, ["w"]))
    rig.outlive_leases(renewing=["w"])

    assert rig.states("a") == ["active:w"]


def test_housekeeping_reaps_at_most_ten_workers_and_asks_to_be_repeated(rig: Rig) -> None:
    rig.reaping_works_from_now()
    rig.join(*[f"w{i}" for i in range(15)])
    for _ in range(3):
        rig.clock.advance(LEASE_MS // 4)
        rig.tend()
    rig.clock.advance(LEASE_MS // 4)

    first = rig.tend()
    assert (first.reaped, first.more) == (10, True)
    rig.clock.advance(LEASE_MS // 30)
    second = rig.tend()
    assert (second.reaped, second.more) == (5, False)


def test_a_round_that_is_asked_to_be_repeated_reaps_the_rest_at_once(rig: Rig) -> None:
    rig.reaping_works_from_now()
    rig.join(*[f"w{i}" for i in range(25)])
    for _ in range(3):
        rig.clock.advance(LEASE_MS // 4)
        rig.tend()
    rig.clock.advance(LEASE_MS // 4)
    rounds = 1
    while rig.tend().more:
        rounds += 1
        assert rounds < 10

    assert rig.ids("leases") == []
