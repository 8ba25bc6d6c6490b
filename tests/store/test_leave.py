"""lua/leave.lua: the end of a worker, and what its board says of the jobs it held."""

from __future__ import annotations

import pytest

from jqjobs.job import Kind, Status
from jqjobs.store import calls
from jqjobs.store.calls import BoardEntry
from jqjobs.store.cancels import cancel
from store.rig import LEASE_MS, START_MS, Rig


def bury(rig: Rig, mode: str, *board: tuple[str, int, str], worker: str = "w", cause: str = "killed") -> int:
    return rig.run(calls.leave("q", worker, mode, cause, [BoardEntry(*entry) for entry in board]))


def test_a_worker_that_holds_nothing_leaves_and_is_fenced(rig: Rig) -> None:
    rig.join("w")

    assert bury(rig, "interrupt") == 0
    assert rig.trip("w").status is Status.FENCED
    assert rig.ids("leases") == []


def test_leaving_without_a_lease_writes_nothing(rig: Rig) -> None:
    rig.add("a")
    before = rig.everything()

    assert bury(rig, "crash") == -1
    assert rig.everything() == before


def test_a_second_burial_changes_nothing(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")
    assert bury(rig, "crash", ("a", 1, "running")) == 1

    assert bury(rig, "crash", ("a", 1, "running")) == -1
    assert rig.counters("a") == {"crashes": 1, "executions": 1}


@pytest.mark.parametrize("mode", ["crash", "suspect", "interrupt"])
def test_held_neighbours_go_back_free_and_in_place(rig: Rig, mode: str) -> None:
    rig.add("a", "b", "c", "d")
    rig.take("w", 3)

    assert bury(rig, mode, ("b", 1, "running")) == 3
    assert rig.ids("ready") == ["a", "b", "c", "d"]
    assert rig.counters("a") == rig.counters("c") == {}
    assert rig.counters("b")["executions"] == 1
    assert rig.active() == {}


def test_a_crash_is_charged_to_what_was_running_with_the_cause(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")
    rig.clock.advance(50)
    bury(rig, "crash", ("a", 1, "running"), cause="killed by SIGKILL, probably out of memory")

    assert rig.counters("a") == {"crashes": 1, "executions": 1}
    assert rig.history("a") == [
        {
            "attempt": 1, "reason": "crashed", "error": "killed by SIGKILL, probably out of memory", "worker": "w",
            "started_ms": START_MS, "ended_ms": START_MS + 50,
        }
    ]  # fmt: skip
    assert rig.job("a")["error"] == "killed by SIGKILL, probably out of memory"
    assert rig.meta("failed") == 1


def test_a_poison_pill_is_dead_after_three_crashes_and_its_neighbour_is_unharmed(rig: Rig) -> None:
    rig.add("pill", "neighbour", key="")
    for n in range(1, 4):
        worker = f"w{n}"
        rig.take(worker, 2)
        bury(rig, "crash", ("pill", n, "running"), worker=worker)

    assert rig.states("pill") == ["dead"]
    assert rig.job("pill")["reason"] == "crashed"
    assert rig.states("neighbour") == ["ready"]
    assert rig.counters("neighbour") == {}


@pytest.mark.parametrize(("own", "published", "limit"), [(1, None, 1), (4, 2, 4), (None, 2, 2)])
def test_max_crashes_comes_from_the_job_else_the_catalog(
    rig: Rig, own: int | None, published: int | None, limit: int
) -> None:
    if published:
        rig.run(calls.publish("q", 1000, {"n": {"max_crashes": published}}))
    rig.add("a", key="k", fields=("max_crashes", own) if own else ())
    for n in range(1, limit + 1):
        assert rig.states("a") == ["ready"]
        rig.take(f"w{n}")
        bury(rig, "crash", ("a", n, "running"), worker=f"w{n}")

    assert rig.states("a") == ["dead"]
    assert rig.add("b", key="k")[0].created


def test_an_interrupt_at_the_end_of_a_worker_is_free_until_the_twentieth(rig: Rig) -> None:
    rig.add("a")
    for n in range(1, 21):
        assert rig.states("a") == ["ready"]
        rig.take(f"w{n}")
        bury(rig, "interrupt", ("a", n, "running"), worker=f"w{n}", cause="shutdown")

    assert rig.states("a") == ["dead"]
    assert rig.counters("a") == {"interrupts": 20, "executions": 20}
    assert {line["reason"] for line in rig.history("a")} == {"interrupted"}


def test_a_job_killed_for_its_time_limit_is_a_failure_and_no_crash(rig: Rig) -> None:
    rig.add("a", "b", fields=("max_attempts", 2))
    rig.take("w", 2)
    bury(rig, "hung", ("a", 1, "running"), cause="it ran longer than 1 s\n  File x, line 1")
    assert rig.counters("a") == {"failures": 1, "executions": 1}
    assert rig.history("a")[0]["reason"] == "hung"
    assert rig.ids("ready") == ["b", "a"]
    rig.take("w2", 2)
    bury(rig, "hung", ("a", 2, "running"), worker="w2")

    assert rig.states("a") == ["dead"]
    assert rig.job("a")["reason"] == "hung"


@pytest.mark.parametrize("mode", ["hung", "cancelled"])
def test_what_ran_beside_the_one_that_its_worker_was_killed_for_is_interrupted_and_free(rig: Rig, mode: str) -> None:
    rig.add("a", "b", "c")
    rig.take("w", 3)
    rig.run(calls.leave(
        "q", "w", mode, "too long", [BoardEntry("a", 1, "interrupted"), BoardEntry("b", 1, "running")], "in main.py"
    ))  # fmt: skip

    assert rig.counters("a") == {"interrupts": 1, "executions": 1}
    [line] = rig.history("a")
    assert (line["reason"], line["error"]) == ("interrupted", "its worker was killed for another job")
    assert "traceback" not in line or line["traceback"] is None
    assert rig.ids("ready")[:2] == ["a", "c"]
    assert rig.history("b")[0]["reason"] == mode


def test_what_was_interrupted_beside_another_and_is_cancelled_is_dead(rig: Rig) -> None:
    rig.add("a", "b")
    rig.take("w", 2)
    rig.run(cancel("q", ["a"]))
    bury(rig, "hung", ("a", 1, "interrupted"), ("b", 1, "running"))

    assert (rig.states("a"), rig.job("a")["reason"]) == (["dead"], "cancelled")
    assert [line["error"] for line in rig.history("a")] == ["its worker was killed for another job"]


def test_what_had_succeeded_before_the_death_is_done(rig: Rig) -> None:
    rig.add("plain", "wanted", fields=())
    rig.add("kept", fields=("keep", 500), key="k")
    rig.take("w", 3)
    bury(rig, "crash", ("plain", 1, "succeeded"), ("kept", 1, "succeeded"))

    assert rig.states("plain") == []
    assert rig.states("wanted") == ["ready"]
    assert rig.score("kept", "kept") == START_MS + 500
    assert "result" not in rig.job("kept")
    assert "died" in rig.job("kept")["result_missing"]
    assert rig.meta("done") == 2
    assert rig.add("b", key="k")[0].created


def test_the_catalog_says_whether_such_a_success_is_kept(rig: Rig) -> None:
    rig.run(calls.publish("q", 1000, {"n": {"keep_ms": 70}}))
    rig.add("a")
    rig.take("w")
    bury(rig, "suspect", ("a", 1, "succeeded"))

    assert rig.score("kept", "a") == START_MS + 70


def test_what_had_failed_before_the_death_is_a_failure_and_no_crash(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")
    bury(rig, "crash", ("a", 1, "failed"))

    assert rig.counters("a") == {"failures": 1, "executions": 1}
    assert rig.states("a") == ["ready"]
    assert [line["reason"] for line in rig.history("a")] == ["failed"]


def test_what_had_failed_lines_up_anew_behind_what_is_ready(rig: Rig) -> None:
    rig.add("a", "b", "urgent")
    rig.add("high", priority=5)
    rig.take("w", 2)
    bury(rig, "crash", ("high", 1, "failed"), ("a", 1, "failed"))

    assert rig.ids("ready") == ["high", "b", "urgent", "a"]


def test_the_board_of_an_earlier_attempt_charges_nobody(rig: Rig) -> None:
    rig.add("a", "b")
    rig.round(Kind.RELEASED)
    rig.take("w", 2)
    bury(rig, "crash", ("a", 1, "running"), ("b", 9, "succeeded"))

    assert rig.ids("ready") == ["a", "b"]
    assert rig.counters("a") == rig.counters("b") == {}


def test_a_board_entry_for_what_the_worker_does_not_hold_changes_nothing(rig: Rig) -> None:
    rig.add("a", "b")
    rig.take("other")
    rig.join("w")

    assert bury(rig, "crash", ("a", 1, "succeeded"), ("b", 0, "running"), ("ghost", 1, "running")) == 0
    assert rig.states("a") == ["active:other"]
    assert rig.states("b") == ["ready"]
    assert rig.states("ghost") == []


def test_leaving_one_queue_leaves_the_others_alone(rig: Rig) -> None:
    rig.add("x", queue="a")
    rig.add("y", queue="b")
    rig.take("w", 2, queues=("a", "b"))
    assert rig.run(calls.leave("a", "w", "interrupt")) == 1

    assert rig.states("x", "a") == ["ready"]
    assert rig.states("y", "b") == ["active:w"]
    assert rig.run(calls.leave("b", "w", "interrupt")) == 1
    assert rig.states("y", "b") == ["ready"]


def test_the_lease_time_does_not_matter_for_a_burial(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")
    rig.clock.advance(100 * LEASE_MS)

    assert bury(rig, "suspect", ("a", 1, "running")) == 1
