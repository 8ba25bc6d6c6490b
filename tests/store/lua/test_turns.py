"""Leases that a worker lets go of and has again, and what calls it to queues that have turns."""

from __future__ import annotations

from jqjobs.jobs.records import Kind, Status
from jqjobs.store.calls import leases
from jqjobs.store.calls.leases import Joined
from jqjobs.store.calls.turns import Charge, call_workers, claim_round, take_called
from store.queue_system import LEASE_MS, QueueSystem


def come(system: QueueSystem, digest: str = "d") -> Joined:
    system.trips.setdefault("w", 0)
    answer: Joined = system.run(leases.join_by_turn("q", "w", LEASE_MS, digest))
    return answer


def go(system: QueueSystem) -> bool:
    return bool(system.run(leases.step_out("q", "w")))


def test_a_worker_that_has_let_go_comes_back_and_its_trips_go_on(system: QueueSystem) -> None:
    come(system)
    system.add("a", "b")
    system.settle("w", system.take("w")[0], Kind.DONE)
    assert go(system)
    assert system.ids("leases") == []
    come(system)
    assert [job.id for job in system.take("w")] == ["b"]


def test_packets_of_before_are_refused_while_it_is_out_and_after_it_came_back(system: QueueSystem) -> None:
    come(system)
    system.add("a")
    late = system.trips["w"] = 7
    system.trip("w", number=8)
    go(system)
    assert system.trip("w", 1, number=9).status is Status.FENCED
    come(system)
    assert system.trip("w", 1, number=late).status is Status.LATE
    assert system.trip("w", 1, number=8).status is Status.LATE
    assert [job.id for job in system.trip("w", 1, number=9).jobs] == ["a"]


def test_who_was_reaped_or_has_left_does_not_come_back(system: QueueSystem) -> None:
    come(system)
    go(system)
    come(system)
    system.run(leases.leave("q", "w"))
    assert come(system) is Joined.REFUSED
    assert system.ids("leases") == []


def test_nobody_lets_go_of_a_queue_with_something_in_hand_there(system: QueueSystem) -> None:
    come(system)
    system.add("a")
    job = system.take("w")[0]
    assert not go(system)
    assert system.ids("leases") == ["w"]
    system.settle("w", job, Kind.DONE)
    assert go(system)


def test_a_lease_that_was_given_once_for_all_ends_when_it_is_let_go_of(system: QueueSystem) -> None:
    system.join("w")
    go(system)
    assert system.ids("leases") == []


def test_what_is_offered_is_published_when_it_is_news(system: QueueSystem) -> None:
    assert come(system, "one") is Joined.UNPUBLISHED
    system.run(leases.publish("q", LEASE_MS, {"n": {}}, digest="one"))
    assert come(system, "one") is Joined.JOINED
    assert come(system, "another") is Joined.UNPUBLISHED
    system.redis("DEL", system.key("catalog"))
    assert come(system, "one") is Joined.UNPUBLISHED


def test_a_turn_takes_the_wake_token_and_puts_it_back_while_there_is_more(system: QueueSystem) -> None:
    system.add("a", "b")
    come(system)
    assert system.ids("wake") == []
    job = system.take("w")[0]
    assert system.ids("wake") == ["1"]
    system.settle("w", job, Kind.DONE)
    system.redis("DEL", system.key("wake"))
    go(system)
    assert system.ids("wake") == ["1"], "it leaves something to do"


def take(system: QueueSystem, most: int, *charges: Charge) -> tuple[list[str], int]:
    called = system.run(take_called("t-*", most, 10, charges))
    return list(called.queues), called.waiting


def test_queues_are_called_once_and_taken(system: QueueSystem) -> None:
    assert system.run(call_workers("t-*", ["t-1", "t-2"])) == 2
    assert system.run(call_workers("t-*", ["t-0", "t-2"])) == 1
    assert system.run(call_workers("u-*", ["u-1"])) == 1
    assert take(system, 3) == (["t-0", "t-1", "t-2"], 0)
    assert take(system, 3) == ([], 0)


def test_while_more_call_than_are_taken_those_go_on_to_call_and_all_have_equal_turns(system: QueueSystem) -> None:
    queues = [f"t-{number}" for number in range(5)]
    system.run(call_workers("t-*", queues))
    had = [queue for _ in range(10) for queue in take(system, 2)[0]]
    assert all(sorted(had[first : first + 5]) == queues for first in range(0, 20, 5))


def test_a_turn_is_charged_with_what_it_had_and_comes_again_accordingly(system: QueueSystem) -> None:
    system.run(call_workers("t-*", ["t-0", "t-1", "t-2"]))
    assert take(system, 1) == (["t-0"], 2)
    assert take(system, 1, Charge("t-0", -9, True)) == (["t-1"], 2)
    assert take(system, 1, Charge("t-1", +5, True)) == (["t-2"], 2)
    assert take(system, 2) == (["t-0", "t-2"], 1), "one job, ten, fifteen"


def test_what_calls_no_more_is_in_no_wake_set_and_whoever_comes_then_saves_nothing_up(system: QueueSystem) -> None:
    system.run(call_workers("t-*", ["t-0", "t-1"]))
    for _ in range(20):
        take(system, 1)
    assert take(system, 0, Charge("t-0", 0, False), Charge("t-1", 0, False)) == ([], 0)
    system.run(call_workers("t-*", ["t-0", "t-1", "t-new"]))
    had = [queue for _ in range(9) for queue in take(system, 1)[0]]
    assert 3 <= had.count("t-new") <= 5, "its part, not all of it"


def test_who_is_charged_while_another_one_decides_calls_as_before(system: QueueSystem) -> None:
    system.run(call_workers("t-*", ["t-0"]))
    take(system, 0, Charge("t-0", 10, None), Charge("t-1", 10, None))
    assert take(system, 9) == (["t-0"], 0)


def test_one_daemon_has_the_round_for_as_long_as_it_goes_on(system: QueueSystem) -> None:
    def claims(daemon: str, name: str = "t-*") -> bool:
        return bool(system.run(claim_round(name, daemon, 2500)))

    assert [claims("a"), claims("b"), claims("b", "u-*")] == [True, False, True]
    for _ in range(5):
        system.clock.advance(1000)
        assert [claims("b"), claims("a")] == [False, True]
    system.clock.advance(2500)
    assert [claims("b"), claims("a")] == [True, False]
    system.clock.advance(-3_600_000)
    assert claims("a"), "the clock was set back: nobody waits for it"
    system.clock.advance(2 * 3_600_000)
    claims("a")
    assert system.redis("HKEYS", "jq:{~}:rounds") == [b"t-*"]
