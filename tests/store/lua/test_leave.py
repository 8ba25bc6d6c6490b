"""lua/leave.lua: the end of a worker, and what its board says of the jobs it held."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs.jobs.records import Kind, Status
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.calls.cancels import cancel
from store.queue_system import LEASE_MS, START_MS, QueueSystem


def leave(
    system: QueueSystem, *board: tuple[str, int, str], worker: str = "w", cause: str = "killed", share: float = 1
) -> int:
    return system.run(leases.leave("q", worker, cause, [BoardEntry(*entry) for entry in board], share=share))


def test_a_worker_that_holds_nothing_leaves_and_is_fenced(system: QueueSystem) -> None:
    system.join("w")

    assert leave(system) == 0
    assert system.trip("w").status is Status.FENCED
    assert system.ids("leases") == []


def test_leaving_without_a_lease_writes_nothing(system: QueueSystem) -> None:
    system.add("a")
    before = system.everything()

    assert leave(system) == -1
    assert system.everything() == before


def test_a_second_end_changes_nothing(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    assert leave(system, ("a", 1, "crashed")) == 1

    assert leave(system, ("a", 1, "crashed")) == -1
    assert system.counters("a") == {"crashes": 1, "executions": 1}


@pytest.mark.parametrize(
    ("word", "state"), [("crashed", "scheduled"), ("suspect 1 1", "suspects"), ("interrupted", "ready")]
)
def test_unstarted_neighbours_go_back_free_and_in_place(system: QueueSystem, word: str, state: str) -> None:
    system.add("a", "b", "c", "d")
    system.take("w", 3)

    assert leave(system, ("b", 1, word)) == 3
    assert [job_id for job_id in system.ids("ready") if job_id != "b"] == ["a", "c", "d"]
    assert system.states("b") == [state]
    assert system.counters("a") == system.counters("c") == {}
    assert system.counters("b")["executions"] == 1
    assert system.active() == {}


def test_a_crash_is_charged_to_what_was_running_with_the_cause(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    system.clock.advance(50)
    leave(system, ("a", 1, "crashed"), cause="killed by SIGKILL, probably out of memory")

    assert system.counters("a") == {"crashes": 1, "executions": 1}
    assert system.history("a") == [
        {
            "attempt": 1, "reason": "crashed", "error": "killed by SIGKILL, probably out of memory", "worker": "w",
            "started_ms": START_MS, "ended_ms": START_MS + 50,
        }
    ]  # fmt: skip
    assert system.job("a")["error"] == "killed by SIGKILL, probably out of memory"
    assert system.meta("failed") == 1


def test_what_crashed_waits_longer_each_time_and_comes_behind_what_is_ready_then(system: QueueSystem) -> None:
    system.add("pill", "neighbour", fields=("max_crashes", 4))
    for n, waits_ms in enumerate((5000, 15_000, 45_000), 1):
        [pill] = [job for job in system.take(f"w{n}", 2) if job.id == "pill"]
        assert pill.attempt == n
        leave(system, ("pill", n, "crashed"), worker=f"w{n}")
        assert system.score("scheduled", "pill") == system.clock.now_ms + waits_ms
        assert system.ids("ready") == ["neighbour"], "nobody waits behind it"
        system.clock.advance(waits_ms)
        system.tend()
        assert system.ids("ready") == ["neighbour", "pill"]


def test_what_waits_does_so_for_the_share_that_the_daemon_says(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "crashed")], share=0.5))

    assert system.score("scheduled", "a") == START_MS + 2500


def test_a_poison_pill_is_dead_after_three_crashes_and_its_neighbour_is_unharmed(system: QueueSystem) -> None:
    system.add("pill", "neighbour", key="")
    for n in range(1, 4):
        worker = f"w{n}"
        system.take(worker, 2)
        leave(system, ("pill", n, "crashed"), worker=worker)
        system.clock.advance(45_000)
        system.tend()

    assert system.states("pill") == ["dead"]
    assert system.job("pill")["reason"] == "crashed"
    assert system.states("neighbour") == ["ready"]
    assert system.counters("neighbour") == {}


@pytest.mark.parametrize(("own", "published", "limit"), [(1, None, 1), (4, 2, 4), (None, 2, 2)])
def test_max_crashes_comes_from_the_job_else_the_catalog(
    system: QueueSystem, own: int | None, published: int | None, limit: int
) -> None:
    if published:
        system.run(leases.publish("q", 1000, {"n": {"max_crashes": published}}))
    system.add("a", key="k", fields=("max_crashes", own) if own else ())
    for n in range(1, limit + 1):
        system.clock.advance(45_000)
        system.tend()
        assert system.states("a") == ["ready"]
        system.take(f"w{n}")
        leave(system, ("a", n, "crashed"), worker=f"w{n}")

    assert system.states("a") == ["dead"]
    assert system.add("b", key="k")[0].created


def test_an_interrupt_is_free_however_often(system: QueueSystem) -> None:
    system.add("a")
    for n in range(1, 31):
        system.take(f"w{n}")
        leave(system, ("a", n, "interrupted"), worker=f"w{n}", cause="shutdown")

    assert system.states("a") == ["ready"]
    assert system.counters("a") == {"interrupts": 30, "executions": 30}
    assert {line["reason"] for line in system.history("a")} == {"interrupted"}


def test_a_job_killed_for_its_time_limit_is_a_failure_and_no_crash(system: QueueSystem) -> None:
    system.add("a", "b", fields=("max_attempts", 2))
    system.take("w", 2)
    leave(system, ("a", 1, "hung"), cause="it ran longer than 1 s\n  File x, line 1")
    assert system.counters("a") == {"failures": 1, "executions": 1, "hung": 1}
    assert system.history("a")[0]["reason"] == "hung"
    assert (system.ids("ready"), system.score("scheduled", "a")) == (["b"], START_MS + 10_000)
    system.clock.advance(10_000)
    system.tend()
    system.take("w2", 2)
    leave(system, ("a", 2, "hung"), worker="w2")

    assert system.states("a") == ["dead"]
    assert system.job("a")["reason"] == "hung"


def test_the_third_time_that_it_hangs_it_is_dead_whatever_its_attempts(system: QueueSystem) -> None:
    system.add("a")
    system.run(leases.publish("q", 1000, {"n": {"max_attempts": 10, "backoff_ms": [0]}}))
    for n in range(1, 4):
        system.take(f"w{n}")
        leave(system, ("a", n, "hung"), worker=f"w{n}")

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "hung")


def test_the_app_says_how_long_a_failure_waits(system: QueueSystem) -> None:
    system.add("a")
    system.run(leases.publish("q", 1000, {"n": {"max_attempts": 10, "backoff_ms": [70, 900]}}))
    for n, waits_ms in enumerate((70, 900, 900), 1):
        system.take(f"w{n}")
        leave(system, ("a", n, "failed"), worker=f"w{n}")
        assert system.score("scheduled", "a") == system.clock.now_ms + waits_ms
        system.clock.advance(waits_ms)
        system.tend()


@pytest.mark.parametrize(("entry", "waits_ms"), [({}, 5000), ({"backoff_ms": [70], "backoff_jitter": True}, 35)])
@pytest.mark.parametrize("word", ["hung", "failed"])
def test_a_failure_that_nobody_lived_to_report_waits_for_the_share_that_the_daemon_says(
    system: QueueSystem, word: str, entry: dict[str, Any], waits_ms: int
) -> None:
    system.add("a")
    system.run(leases.publish("q", 1000, {"n": entry}))
    system.take()
    leave(system, ("a", 1, word), share=0.5)

    assert system.score("scheduled", "a") == START_MS + waits_ms


def test_a_rule_that_does_not_spread_is_kept_to_the_letter(system: QueueSystem) -> None:
    system.add("a")
    system.run(leases.publish("q", 1000, {"n": {"backoff_ms": [60_000]}}))
    system.take()
    leave(system, ("a", 1, "failed"), share=0.5)

    assert system.score("scheduled", "a") == START_MS + 60_000


@pytest.mark.parametrize("word", ["hung", "cancelled"])
def test_what_ran_beside_the_one_that_its_worker_was_killed_for_is_interrupted_and_free(
    system: QueueSystem, word: str
) -> None:
    system.add("a", "b", "c")
    system.take("w", 3)
    system.run(leases.leave(
        "q", "w", "too long", [BoardEntry("a", 1, "neighbour"), BoardEntry("b", 1, word)], "in main.py"
    ))  # fmt: skip

    assert system.counters("a") == {"interrupts": 1, "executions": 1}
    [line] = system.history("a")
    assert (line["reason"], line["error"]) == ("interrupted", "its worker ended for another job")
    assert "traceback" not in line or line["traceback"] is None
    assert system.ids("ready")[:2] == ["a", "c"]
    assert system.history("b")[0]["reason"] == word


def test_what_was_interrupted_beside_another_and_is_cancelled_is_dead(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w", 2)
    system.run(cancel("q", ["a"]))
    leave(system, ("a", 1, "neighbour"), ("b", 1, "hung"))

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "cancelled")
    assert [line["error"] for line in system.history("a")] == ["its worker ended for another job"]


def test_what_had_succeeded_before_the_death_is_done(system: QueueSystem) -> None:
    system.add("plain", "wanted", fields=())
    system.add("kept", fields=("keep", 500), key="k")
    system.take("w", 3)
    leave(system, ("plain", 1, "succeeded"), ("kept", 1, "succeeded"))

    assert system.states("plain") == []
    assert system.states("wanted") == ["ready"]
    assert system.score("kept", "kept") == START_MS + 500
    assert "result" not in system.job("kept")
    assert "died" in system.job("kept")["result_missing"]
    assert system.meta("done") == 2
    assert system.add("b", key="k")[0].created


def test_the_catalog_says_whether_such_a_success_is_kept(system: QueueSystem) -> None:
    system.run(leases.publish("q", 1000, {"n": {"keep_ms": 70}}))
    system.add("a")
    system.take("w")
    leave(system, ("a", 1, "succeeded"))

    assert system.score("kept", "a") == START_MS + 70


def test_what_had_failed_before_the_death_is_a_failure_and_no_crash(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    leave(system, ("a", 1, "failed"))

    assert system.counters("a") == {"failures": 1, "executions": 1}
    assert system.score("scheduled", "a") == START_MS + 10_000
    assert [line["reason"] for line in system.history("a")] == ["failed"]


def test_the_board_of_an_earlier_attempt_charges_nobody(system: QueueSystem) -> None:
    system.add("a", "b")
    system.round(Kind.RELEASED)
    system.take("w", 2)
    leave(system, ("a", 1, "crashed"), ("b", 9, "succeeded"))

    assert system.ids("ready") == ["a", "b"]
    assert system.counters("a") == system.counters("b") == {}


def test_a_board_entry_for_what_the_worker_does_not_hold_changes_nothing(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("other")
    system.join("w")

    assert leave(system, ("a", 1, "succeeded"), ("b", 0, "crashed"), ("ghost", 1, "crashed")) == 0
    assert system.states("a") == ["active:other"]
    assert system.states("b") == ["ready"]
    assert system.states("ghost") == []


def test_leaving_one_queue_leaves_the_others_alone(system: QueueSystem) -> None:
    system.add("x", queue="a")
    system.add("y", queue="b")
    system.take("w", 2, queues=("a", "b"))
    assert system.run(leases.leave("a", "w")) == 1

    assert system.states("x", "a") == ["ready"]
    assert system.states("y", "b") == ["active:w"]
    assert system.run(leases.leave("b", "w")) == 1
    assert system.states("y", "b") == ["ready"]


def test_the_lease_time_does_not_matter_for_an_end(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    system.clock.advance(100 * LEASE_MS)

    assert leave(system, ("a", 1, "suspect 1 2")) == 1
