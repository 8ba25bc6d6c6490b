"""lua/cancel.lua and what honours it: cancelled is final, and of a race with a success one side wins."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jqjobs.jobs.records import Enqueued, Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases, upkeep
from jqjobs.store.calls.cancels import CancelAnswer, Cancelled, cancel, cancels
from jqjobs.store.store import Store
from store.lua.one_job import parked, ready, scheduled
from store.queue_system import LEASE_MS, START_MS, QueueSystem, outcome

ENDS = {Kind.DONE: [], Kind.KEPT: ["kept"], Kind.MALFORMED: []}


def cancel_one(system: QueueSystem, job_id: str = "a") -> CancelAnswer:
    [answer] = system.run(cancel("q", [job_id]))
    return answer


def taken(system: QueueSystem, **job: Any) -> TakenJob:
    """Let the worker "w" have a job "a" in hand."""
    system.add("a", **job)
    [job] = system.take("w")
    return job


def marks(system: QueueSystem) -> list[str]:
    return system.ids("cancels")


def is_cancelled(system: QueueSystem, job_id: str = "a") -> bool:
    """Whether a job is dead for good, with nothing left of it elsewhere."""
    assert system.states(job_id) == ["dead"]
    stored = system.job(job_id)
    assert "cancel" not in stored
    assert marks(system) == []
    return stored["reason"] == "cancelled"


# What waits


def held(system: QueueSystem) -> None:
    system.add("first", fields=("limits", "c 1 0 one"))
    system.add("a", key="k", fields=("limits", "c 1 0 one"))
    system.take("w")
    system.take("w2")


def between_attempts(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.round(Kind.FAILED, 5000)


@pytest.mark.parametrize("state", [ready, scheduled, parked, held, between_attempts])
def test_what_waits_is_dead_at_once_and_its_key_is_free(
    system: QueueSystem, state: Callable[[QueueSystem], None]
) -> None:
    state(system)
    expected = {"between_attempts": "scheduled"}.get(state.__name__, state.__name__)
    assert system.states("a") == [expected]
    system.clock.advance(7)

    assert cancel_one(system) is CancelAnswer.CANCELLED
    assert is_cancelled(system)
    assert system.job("a")["finished"] == str(START_MS + 7)
    assert system.add("b", key="k") == [Enqueued("b", True)]


def test_the_last_ready_job_takes_the_wake_token_along(system: QueueSystem) -> None:
    system.add("a")
    assert system.wakes()
    cancel_one(system)

    assert not system.wakes()


def test_a_job_that_waited_for_a_limit_leaves_nothing_there(system: QueueSystem) -> None:
    held(system)
    cancel_one(system)

    assert system.ids("held:one") == []
    assert system.redis("HGET", system.key("gates"), "one") is None
    assert system.ids("scheduled") == []


def test_the_next_one_of_a_limit_is_let_go_when_the_one_on_its_way_is_cancelled(system: QueueSystem) -> None:
    for job_id in "abc":
        system.add(job_id, fields=("limits", "c 1 0 one"))
    [job] = system.take("w")
    system.take("w2", 2)
    system.settle("w", job, Kind.KEPT, 1000)
    assert (system.ids("ready"), system.ids("held:one")) == (["b"], ["c"])
    cancel_one(system, "b")

    assert (system.ids("ready"), system.ids("held:one")) == (["c"], [])


@pytest.mark.parametrize("kind", [Kind.KEPT, Kind.DISCARDED])
def test_what_is_over_is_left_alone(system: QueueSystem, kind: Kind) -> None:
    system.add("a")
    system.round(kind, 1000)
    before = system.everything()

    assert cancel_one(system) is CancelAnswer.FINISHED
    assert system.everything() == before


def test_an_id_that_nothing_has_is_unknown(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.DONE)

    assert system.run(cancel("q", ["a", "ghost"])) == [CancelAnswer.UNKNOWN, CancelAnswer.UNKNOWN]
    assert system.redis("EXISTS", system.key("job:ghost")) == 0


def test_an_entry_whose_record_is_gone_is_swept_away_and_makes_no_new_record(system: QueueSystem) -> None:
    system.add("a")
    system.redis("DEL", system.key("job:a"))

    assert cancel_one(system) is CancelAnswer.UNKNOWN
    assert (system.states("a"), system.redis("EXISTS", system.key("job:a"))) == ([], 0)


def test_many_are_cancelled_in_one_call_each_with_its_own_answer(system: QueueSystem) -> None:
    system.add("a", "b", "c", "d")
    system.take("w", 2)
    system.take("w2", 1)

    answers = system.run(cancel("q", ["d", "ghost", "b", "c", "a"]))
    assert answers == [CancelAnswer.CANCELLED, CancelAnswer.UNKNOWN, *[CancelAnswer.CANCELLING] * 3]
    assert marks(system) == ["w a 1", "w b 1", "w2 c 1"]


# What a worker has in hand


def test_what_a_worker_holds_is_marked_and_stays_with_it(system: QueueSystem) -> None:
    taken(system)
    system.clock.advance(7)

    assert cancel_one(system) is CancelAnswer.CANCELLING
    assert system.states("a") == ["active:w"]
    assert system.job("a")["cancel"] == str(START_MS + 7)
    assert system.run(cancels("q", ["w", "other"])).jobs == [Cancelled("w", "a", 1)]


def test_cancelling_twice_says_the_same_and_marks_once(system: QueueSystem) -> None:
    taken(system)
    cancel_one(system)
    before = system.everything()
    system.clock.advance(7)

    assert cancel_one(system) is CancelAnswer.CANCELLING
    assert system.everything() == before


def test_a_daemon_hears_of_its_own_workers_only(system: QueueSystem) -> None:
    system.add("a", "b", "c")
    for worker in ("w", "w2", "w 2"):
        system.take(worker)
    system.run(cancel("q", ["a", "b", "c"]))

    assert system.run(cancels("q", ["w"])).jobs == [Cancelled("w", "a", 1)]
    assert system.run(cancels("q", ["w2", "w"])).jobs == [Cancelled("w2", "b", 1), Cancelled("w", "a", 1)]
    system.push({"job": "n"})
    assert system.run(cancels("q", ["stranger"])) == (True, []), "and that an envelope waits"


def test_nothing_cancelled_costs_a_daemon_one_look(system: QueueSystem) -> None:
    taken(system)
    before = system.everything()

    assert system.run(cancels("q", ["w"])).jobs == []
    assert system.everything() == before


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in ENDS])
def test_whatever_a_worker_reports_but_success_the_job_is_dead(system: QueueSystem, kind: Kind) -> None:
    job = taken(system, key="k")
    cancel_one(system)
    unrun = kind in (Kind.RELEASED, Kind.UNKNOWN, Kind.THROTTLED, Kind.WAITING)
    text, line = ("", b"") if unrun else ("why", b'{"attempt":1}')
    assert system.settle("w", job, kind, 700, text=text, line=line).stale == ()

    assert is_cancelled(system)
    assert system.job("a").get("error") == (None if unrun else "why")
    assert system.history("a") == ([] if unrun else [{"attempt": 1}])
    assert system.counters("a") == ({} if unrun else {"executions": 1})
    assert system.add("b", key="k")[0].created


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("key", ["", "k"])
def test_an_attempt_that_succeeded_first_is_a_success(system: QueueSystem, kind: Kind, key: str) -> None:
    job = taken(system, key=key)
    cancel_one(system)
    assert system.settle("w", job, kind, 1000).stale == ()

    assert system.states("a") == ENDS[kind]
    assert marks(system) == []
    assert "cancel" not in system.job("a")
    assert cancel_one(system) is (CancelAnswer.FINISHED if kind is Kind.KEPT else CancelAnswer.UNKNOWN)


def test_a_worker_that_reports_a_cancelled_job_is_believed_even_without_a_mark(system: QueueSystem) -> None:
    job = taken(system)
    system.settle("w", job, Kind.CANCELLED, text="why", line=b'{"reason":"cancelled"}')

    assert is_cancelled(system)
    assert (system.counters("a"), system.meta("failed")) == ({"executions": 1}, None)


def test_neighbours_of_a_cancelled_job_go_their_way(system: QueueSystem) -> None:
    system.add("a", "b", "c")
    a, b, c = system.take("w", 3)
    cancel_one(system, "b")
    system.trip(
        "w", 0, [outcome(a, Kind.DONE), outcome(b, Kind.RELEASED, line=b""), outcome(c, Kind.RELEASED, line=b"")]
    )

    assert [system.states(job_id) for job_id in "abc"] == [[], ["dead"], ["ready"]]


@pytest.mark.parametrize(
    "word", ["crashed", "suspect 1 1", "hung", "interrupted", "neighbour", "cancelled", "failed", "unstarted"]
)
def test_it_is_dead_also_when_its_worker_dies_meanwhile(system: QueueSystem, word: str) -> None:
    taken(system, key="k")
    cancel_one(system)
    board = [BoardEntry("a", 1, word)] if word != "unstarted" else []
    system.run(leases.leave("q", "w", "killed", board))

    assert is_cancelled(system)
    assert system.counters("a") == ({"executions": 1} if word != "unstarted" else {})
    reasons = {"failed": ["failed"], "unstarted": []}
    assert [line["reason"] for line in system.history("a")] == reasons.get(word, ["cancelled"])


def test_a_success_that_its_worker_could_not_report_is_one(system: QueueSystem) -> None:
    taken(system)
    cancel_one(system)
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "succeeded")]))

    assert (system.states("a"), marks(system), system.meta("done")) == ([], [], 1)


def test_a_job_killed_for_being_cancelled_keeps_its_stack_and_takes_no_neighbour_along(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w", 2)
    cancel_one(system)
    system.run(leases.leave("q", "w", "did not heed it", [BoardEntry("a", 1, "cancelled")], "in main.py"))

    assert is_cancelled(system)
    [line] = system.history("a")
    assert (line["reason"], line["error"], line["traceback"]) == ("cancelled", "did not heed it", "in main.py")
    assert system.ids("ready") == ["b"]


def test_a_worker_that_was_killed_for_a_cancel_is_believed_without_a_mark(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w", 2)
    system.run(leases.leave("q", "w", "did not heed it", [BoardEntry("a", 1, "cancelled")]))

    assert is_cancelled(system)
    assert system.states("b") == ["ready"]


def test_it_is_dead_when_nobody_can_read_the_board(system: QueueSystem) -> None:
    system.reaping_works_from_now()
    taken(system)
    cancel_one(system)
    system.outlive_leases()

    assert is_cancelled(system)
    assert system.counters("a") == {"executions": 1}
    assert [line["reason"] for line in system.history("a")] == ["cancelled"]


def test_it_is_dead_when_its_worker_lost_the_trip_that_took_it(system: QueueSystem) -> None:
    taken(system)
    cancel_one(system)
    system.trip("w", 0, in_hand=[])

    assert is_cancelled(system)


def test_a_suspect_is_no_exception(system: QueueSystem) -> None:
    taken(system)
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "suspect 1 2")]))
    system.take("w2")
    cancel_one(system)
    system.run(leases.leave("q", "w2", "killed", [BoardEntry("a", 2, "crashed")]))

    assert is_cancelled(system)
    assert "suspect" not in system.job("a")


def test_a_mark_that_a_damaged_job_left_is_swept_away(real_system: QueueSystem) -> None:
    taken(real_system)
    cancel_one(real_system)
    real_system.redis("DEL", real_system.key("job:a"))
    real_system.redis("SET", real_system.key("job:a"), "x")
    real_system.trip("w", 0, [outcome(TakenJob("q", "a", 1, "n", b""), Kind.FAILED)])
    assert marks(real_system) == ["w a 1"]

    assert real_system.run(cancels("q", ["w"])).jobs == []
    assert marks(real_system) == []


def test_a_worker_that_ends_takes_its_marks_along_also_of_damaged_jobs(real_system: QueueSystem) -> None:
    real_system.add("a", "b")
    for worker in ("w", "w2"):
        real_system.take(worker)
    real_system.run(cancel("q", ["a", "b"]))
    real_system.redis("DEL", real_system.key("job:a"))
    real_system.redis("SET", real_system.key("job:a"), "x")
    real_system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "crashed")]))

    assert marks(real_system) == ["w2 b 1"]


# Afterwards


def test_a_person_can_retry_one_and_it_runs_like_any_other(system: QueueSystem) -> None:
    job = taken(system)
    cancel_one(system)
    system.settle("w", job, Kind.CANCELLED)

    assert system.run(upkeep.retry("q", ["a"])) == [1]
    [again] = system.take("w")
    system.settle("w", again, Kind.FAILED, 500)
    assert system.states("a") == ["scheduled"]


def test_a_full_redis_lets_jobs_be_cancelled(start_server: Callable[..., Any], connect: Callable[..., Store]) -> None:
    system = QueueSystem(start_server("redis").url)
    system.add("a", "b")
    system.take("w")
    system.redis("CONFIG", "SET", "maxmemory", 1)

    assert system.run(cancel("q", ["a", "b"])) == [CancelAnswer.CANCELLING, CancelAnswer.CANCELLED]
    assert system.run(cancels("q", ["w"])).jobs == [Cancelled("w", "a", 1)]
    system.store.close()


def test_of_a_cancel_and_a_success_at_once_one_wins_and_both_hear_the_truth(
    real_system: QueueSystem, connect: Callable[..., Store]
) -> None:
    other = connect(real_system.url)
    ids = [f"j{n}" for n in range(60)]
    real_system.add(*ids)
    jobs = real_system.take("w", 60)

    def cancel_all() -> list[CancelAnswer]:
        return [other.run(cancel("q", [job_id]))[0] for job_id in ids]

    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(cancel_all)
        for job in jobs:
            assert real_system.settle("w", job, Kind.DONE).stale == ()
        answers = cancelling.result()
    assert set(answers) <= {CancelAnswer.CANCELLING, CancelAnswer.UNKNOWN}
    assert not any(map(real_system.states, ids))
    assert (real_system.meta("done"), marks(real_system)) == (60, [])


def test_of_a_cancel_and_a_take_at_once_one_comes_first(
    real_system: QueueSystem, connect: Callable[..., Store]
) -> None:
    other = connect(real_system.url)
    ids = [f"j{n}" for n in range(60)]
    real_system.add(*ids)
    real_system.join("w")

    def cancel_all() -> dict[str, CancelAnswer]:
        return {job_id: other.run(cancel("q", [job_id]))[0] for job_id in reversed(ids)}

    with ThreadPoolExecutor(1) as pool:
        cancelling = pool.submit(cancel_all)
        got = {job.id for _ in ids for job in real_system.trip("w", 1).jobs}
        answers = cancelling.result()
    assert {job_id for job_id, answer in answers.items() if answer is CancelAnswer.CANCELLED} == set(ids) - got
    assert {job_id for job_id, answer in answers.items() if answer is CancelAnswer.CANCELLING} == got
    assert len(marks(real_system)) == len(got)


@pytest.mark.parametrize("holder", ["w", "other", "stranger"])
def test_who_is_believed_to_hold_a_job_may_be_wrong(system: QueueSystem, holder: str) -> None:
    taken(system)
    system.join("other")

    assert system.run(cancel("q", [f"a {holder}"])) == [CancelAnswer.CANCELLING]
    assert marks(system) == ["w a 1"]


def test_where_the_holders_are_known_the_others_are_not_asked(real_system: QueueSystem) -> None:
    taken(real_system)
    real_system.redis("CONFIG", "RESETSTAT")
    real_system.run(cancel("q", ["a w"]))

    assert "cmdstat_zmscore" not in real_system.redis("INFO", "commandstats").decode()


def test_cancelling_a_page_among_many_workers_is_quick(real_system: QueueSystem) -> None:
    """One call asks each worker once at most, whatever the number of jobs."""
    workers = [f"w{n}" for n in range(200)]
    for worker in workers:
        real_system.run(leases.join("q", worker, LEASE_MS))
    real_system.add(*[f"j{n}" for n in range(50)])
    for n in range(50):
        real_system.trip(workers[4 * n], 1)
    real_system.redis("CONFIG", "RESETSTAT")
    assert real_system.run(cancel("q", [f"j{n}" for n in range(50)])) == [CancelAnswer.CANCELLING] * 50

    info = real_system.redis("INFO", "commandstats").decode()
    asked = next(line for line in info.splitlines() if line.startswith("cmdstat_zmscore"))
    assert int(asked.split("calls=")[1].split(",")[0]) <= 200
