"""Coalescing: how long a key stands for a job, and what a second call with it does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jqjobs.jobs.records import Coalesce, Enqueued, Kind, NewJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import enqueueing, leases, upkeep
from jqjobs.store.store import Store
from store.queue_system import START_MS, QueueSystem, outcome

MODES = list(Coalesce)
#: How a job that was taken goes back without having run.
UNRUN: dict[str, Callable[[QueueSystem], Any]] = {
    "released": lambda system: settle_held(system, Kind.RELEASED),
    "unknown": lambda system: settle_held(system, Kind.UNKNOWN),
    "resync": lambda system: system.trip("w", 0, in_hand=[]),
    "not started": lambda system: system.run(leases.leave("q", "w", "killed")),
}
#: How one goes back that has run, or may have.
RUN: dict[str, Callable[[QueueSystem], Any]] = {
    "failed": lambda system: settle_held(system, Kind.FAILED, 5000),
    "interrupted": lambda system: settle_held(system, Kind.INTERRUPTED),
    "crashed": lambda system: system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "crashed")])),
    "suspect": lambda system: system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "suspect 1 2")])),
}


def settle_held(system: QueueSystem, kind: Kind, number: int = 0) -> None:
    job = system.held_by_w
    assert system.settle("w", job, kind, number).stale == ()


def taken(system: QueueSystem, mode: str = "queued") -> None:
    """Let the worker "w" have a job "a" with the key "k" in hand."""
    system.add("a", key="k", coalesce=mode)
    [system.held_by_w] = system.take("w")


def key_holder(system: QueueSystem) -> str | None:
    found = system.redis("HGET", system.key("unique"), "k")
    return found and found.decode()


def unique(system: QueueSystem) -> int:
    return system.redis("HLEN", system.key("unique"))


def add_again(system: QueueSystem, job_id: str = "b", **job: Any) -> Enqueued:
    [answer] = system.add(job_id, key="k", **job)
    return answer


# How long a key stands for its job


@pytest.mark.parametrize("mode", MODES)
def test_while_a_job_waits_its_key_stands_for_it_in_every_mode(system: QueueSystem, mode: str) -> None:
    system.add("a", key="k", coalesce=mode, due="+1000")
    assert add_again(system) == Enqueued("a", False)
    system.clock.advance(1000)
    system.tend()
    assert system.states("a") == ["ready"]
    assert add_again(system) == Enqueued("a", False)


@pytest.mark.parametrize(("mode", "created"), [("queued", True), ("unfinished", False), ("stored", False)])
def test_only_queued_gives_the_key_away_when_the_job_is_taken(system: QueueSystem, mode: str, created: bool) -> None:
    taken(system, mode)

    assert add_again(system).created is created
    assert key_holder(system) == ("b" if created else "a")


@pytest.mark.parametrize(("mode", "created"), [("queued", True), ("unfinished", True), ("stored", False)])
def test_only_stored_keeps_the_key_for_a_dead_job(system: QueueSystem, mode: str, created: bool) -> None:
    taken(system, mode)
    settle_held(system, Kind.DISCARDED)
    assert system.states("a") == ["dead"]

    assert add_again(system) == Enqueued("b" if created else "a", created)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [Kind.DONE, Kind.KEPT, Kind.MALFORMED])
def test_a_job_that_succeeded_or_is_gone_has_no_key(system: QueueSystem, mode: str, kind: Kind) -> None:
    taken(system, mode)
    settle_held(system, kind, 1000)

    assert unique(system) == 0
    assert add_again(system).created


def test_the_mode_is_stored_only_when_it_is_not_the_default(system: QueueSystem) -> None:
    for mode in MODES:
        system.add(mode, key=mode, coalesce=mode)

    assert [system.job(mode).get("coalesce") for mode in MODES] == ["queued", None, "stored"]


def test_a_second_call_leaves_the_mode_of_the_first_one(system: QueueSystem) -> None:
    system.add("a", key="k", coalesce="queued")
    add_again(system, coalesce="stored")
    system.take("w")

    assert add_again(system).created


@pytest.mark.parametrize("how", UNRUN)
def test_a_queued_job_that_goes_back_unrun_has_its_key_again(system: QueueSystem, how: str) -> None:
    taken(system)
    assert unique(system) == 0
    UNRUN[how](system)

    assert key_holder(system) == "a"
    assert add_again(system) == Enqueued("a", False)


@pytest.mark.parametrize("how", UNRUN)
def test_a_queued_job_that_goes_back_unrun_lives_on_without_its_key_when_another_one_has_it(
    system: QueueSystem, how: str
) -> None:
    taken(system)
    assert add_again(system).created
    UNRUN[how](system)

    assert key_holder(system) == "b"
    assert system.states("a") != []
    assert add_again(system, "c") == Enqueued("b", False)


@pytest.mark.parametrize("how", RUN)
def test_a_queued_job_that_has_run_does_not_take_its_key_again(system: QueueSystem, how: str) -> None:
    taken(system)
    RUN[how](system)

    assert unique(system) == 0
    assert add_again(system).created


@pytest.mark.parametrize("how", UNRUN)
@pytest.mark.parametrize("mode", ["unfinished", "stored"])
def test_the_other_modes_keep_their_key_whatever_happens_before_the_end(
    system: QueueSystem, mode: str, how: str
) -> None:
    taken(system, mode)
    UNRUN[how](system)

    assert key_holder(system) == "a"


def test_the_end_of_a_queued_job_frees_no_key_of_its_successor(system: QueueSystem) -> None:
    taken(system)
    add_again(system)
    settle_held(system, Kind.DONE)

    assert key_holder(system) == "b"


def test_a_queued_jobs_key_is_free_for_each_job_of_a_batch(system: QueueSystem) -> None:
    for job_id in "abc":
        system.add(job_id, key=f"k{job_id}", coalesce="queued")
    jobs = system.take("w", 3)

    assert unique(system) == 0
    assert [job.key for job in jobs] == ["", "", ""], "the worker has nothing to report of it"
    system.trip("w", 0, [outcome(job, Kind.DONE) for job in jobs])
    assert system.meta("done") == 3


@pytest.mark.parametrize("mode", MODES)
def test_an_expired_job_is_dead_and_has_its_key_only_when_stored(system: QueueSystem, mode: str) -> None:
    system.add("a", key="k", coalesce=mode, fields=("expires", "+10"))
    system.clock.advance(10)
    assert system.take("w") == []

    assert system.states("a") == ["dead"]
    assert key_holder(system) == ("a" if mode == "stored" else None)


# A dead job and its key


@pytest.mark.parametrize(("most", "ms"), [(0, 10**12), (10, 1)])
def test_retention_frees_the_key_of_a_stored_job(system: QueueSystem, most: int, ms: int) -> None:
    taken(system, "stored")
    settle_held(system, Kind.DISCARDED)
    system.clock.advance(5000)
    system.tend(max_dead=most, dead_ms=ms)

    assert system.states("a") == []
    assert unique(system) == 0
    assert add_again(system).created


def test_a_stored_job_is_retried_with_its_key(system: QueueSystem) -> None:
    taken(system, "stored")
    settle_held(system, Kind.DISCARDED)

    assert system.run(upkeep.retry("q", ["a"])) == [1]
    assert system.states("a") == ["ready"]
    assert add_again(system) == Enqueued("a", False)


@pytest.mark.parametrize("mode", ["queued", "unfinished"])
def test_a_dead_job_takes_its_key_again_when_it_is_retried_and_is_refused_when_another_one_has_it(
    system: QueueSystem, mode: str
) -> None:
    taken(system, mode)
    settle_held(system, Kind.DISCARDED)
    add_again(system)
    assert system.run(upkeep.retry("q", ["a"])) == [-1]
    assert system.states("a") == ["dead"]

    system.round(Kind.DONE)
    assert system.run(upkeep.retry("q", ["a"])) == [1]
    assert key_holder(system) == "a"


def test_of_two_dead_jobs_with_one_key_the_first_retried_wins(system: QueueSystem) -> None:
    for job_id in "ab":
        system.add(job_id, key="k")
        system.round(Kind.DISCARDED)

    assert system.run(upkeep.retry("q", ["b", "a", "b"])) == [1, -1, 0]
    assert key_holder(system) == "b"


def test_a_damaged_job_has_no_key_once_it_is_dead(real_system: QueueSystem) -> None:
    taken(real_system, "unfinished")
    real_system.redis("HSET", real_system.key("job:a"), "failures", "x")
    settle_held(real_system, Kind.FAILED)

    assert real_system.states("a") == ["dead"]
    assert unique(real_system) == 0


# Replace


def test_replacing_a_waiting_job_gives_it_the_new_call_under_its_old_id(system: QueueSystem) -> None:
    system.add("a", key="k", name="old", payload=b"1", priority=3, fields=("keep", 5, "max_attempts", 2, "tags", "x"))
    system.clock.advance(50)

    assert add_again(system, name="new", payload=b"2", fields=("timeout", 7), replace=True) == Enqueued(
        "a", False, True
    )
    assert system.job("a") == {
        "name": "new", "payload": "2", "enqueued": str(START_MS), "attempt": "0", "key": "k", "timeout": "7",
    }  # fmt: skip
    assert system.states("b") == []
    [job] = system.take("w")
    assert (job.id, job.attempt, job.name, job.payload, job.timeout_ms, job.keep_ms) == ("a", 1, "new", b"2", 7, None)


def test_without_replace_the_first_call_stands(system: QueueSystem) -> None:
    system.add("a", key="k", payload=b"1")

    assert add_again(system, payload=b"2") == Enqueued("a", False, False)
    assert system.job("a")["payload"] == "1"


def test_a_replaced_job_keeps_its_place(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.add("later")
    add_again(system, replace=True)

    assert system.ids("ready") == ["a", "later"]


def test_a_replaced_job_of_another_priority_takes_a_new_place(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.add("later")
    add_again(system, replace=True, priority=-1)
    assert system.ids("ready") == ["later", "a"]

    add_again(system, replace=True, priority=4)
    assert system.ids("ready") == ["a", "later"]
    assert system.score("ready", "a") == -4 * 2**40 + 4


def test_each_replacement_puts_the_due_time_off_which_is_debounce(system: QueueSystem) -> None:
    system.add("a", key="k", due="+1000")
    for _ in range(3):
        system.clock.advance(600)
        assert add_again(system, due="+1000", replace=True).replaced
        system.tend()
    assert system.states("a") == ["scheduled"]
    assert system.score("scheduled", "a") == START_MS + 1800 + 1000
    assert system.job("a")["due"] == str(START_MS + 2800)


def test_a_delayed_job_that_is_replaced_by_one_due_now_is_ready(system: QueueSystem) -> None:
    system.add("a", key="k", due="+1000")
    system.use_up_token()
    add_again(system, replace=True)

    assert system.states("a") == ["ready"]
    assert "due" not in system.job("a")
    assert system.wakes()


def test_a_ready_job_that_is_replaced_by_a_delayed_one_is_scheduled(system: QueueSystem) -> None:
    system.add("a", key="k")
    add_again(system, due="+1000", replace=True)

    assert system.states("a") == ["scheduled"]


def test_a_parked_job_is_replaced_and_comes_up_in_its_place(system: QueueSystem) -> None:
    system.add("a", key="k", name="nobody")
    system.round(Kind.UNKNOWN)
    system.add("later")
    assert system.states("a") == ["parked"]
    assert add_again(system, name="n", replace=True).replaced

    assert system.ids("ready") == ["a", "later"]
    assert "rank" not in system.job("a")


def test_a_job_that_waits_for_a_limit_is_replaced_and_leaves_nothing_there(system: QueueSystem) -> None:
    system.add("first", fields=("limits", "c 1 0 one"))
    system.add("a", key="k", fields=("limits", "c 1 0 one"))
    system.take("w")
    system.take("w2")
    assert system.states("a") == ["held"]
    system.add("later")
    assert add_again(system, replace=True).replaced

    assert system.ids("ready") == ["a", "later"]
    assert (system.ids("held:one"), system.ids("scheduled")) == ([], [])
    assert not {"limits", "held"} & system.job("a").keys()


def test_a_replaced_job_keeps_its_counters_and_its_history(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.round(Kind.FAILED, 5000, line=b'{"attempt":1}')
    add_again(system, replace=True)

    assert system.counters("a") == {"failures": 1, "executions": 1}
    assert system.history("a") == [{"attempt": 1}]
    [job] = system.take("w")
    assert job.attempt == 2, "an attempt is never used twice"


@pytest.mark.parametrize("mode", ["unfinished", "stored"])
def test_a_job_that_runs_is_only_named(system: QueueSystem, mode: str) -> None:
    taken(system, mode)
    before = system.everything()

    assert add_again(system, payload=b"2", replace=True) == Enqueued("a", False, False)
    after = system.everything()
    before.pop(system.key("meta").encode()), after.pop(system.key("meta").encode())
    assert after == before


def test_a_dead_stored_job_is_only_named(system: QueueSystem) -> None:
    taken(system, "stored")
    settle_held(system, Kind.DISCARDED)

    assert add_again(system, payload=b"2", replace=True) == Enqueued("a", False, False)
    assert (system.states("a"), system.job("a")["payload"]) == (["dead"], "{}")


def test_replacing_changes_the_mode_too(system: QueueSystem) -> None:
    system.add("a", key="k", coalesce="queued")
    add_again(system, replace=True)
    system.take("w")

    assert key_holder(system) == "a"


def test_resending_a_replacement_changes_nothing_more(system: QueueSystem) -> None:
    system.add("a", key="k", due="+1000")
    add_again(system, due="+1000", payload=b"2", replace=True)
    before = system.job("a")

    assert add_again(system, due="+1000", payload=b"2", replace=True) == Enqueued("a", False, True)
    assert system.job("a") == before


def test_one_id_stands_for_one_record_even_with_replace(system: QueueSystem) -> None:
    system.add("a", key="k", payload=b"1")

    assert add_again(system, "a", payload=b"2", replace=True) == Enqueued("a", False, False)
    assert system.job("a")["payload"] == "1"


# Many at once, and other languages


def test_a_hundred_enqueues_at_once_make_one_job(real_system: QueueSystem, connect: Callable[..., Store]) -> None:
    stores = [connect(real_system.url) for _ in range(10)]

    def enqueue(n: int) -> Enqueued:
        return stores[n // 10].run(enqueueing.enqueue("q", [NewJob("n", b"{}", f"j{n}", key="k")]))[0]

    def ten(first: int) -> list[Enqueued]:
        return [enqueue(first + n) for n in range(10)]

    with ThreadPoolExecutor(10) as pool:
        answers = [answer for part in pool.map(ten, range(0, 100, 10)) for answer in part]
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.id for answer in answers}) == 1
    assert len(real_system.ids("ready")) == 1


def test_an_envelope_says_how_it_coalesces(system: QueueSystem) -> None:
    system.push({"job": "n", "id": "a", "key": "k", "coalesce": "queued", "kwargs": {"v": 1}})
    system.push({"job": "n", "id": "b", "key": "k", "replace": True, "coalesce": "stored", "kwargs": {"v": 2}})
    system.push({"job": "n", "id": "c", "key": "k", "replace": False})
    assert system.ingest() == (2, 0, 1, 0)

    assert system.job("a")["coalesce"] == "stored"
    assert '"id": "b"' in system.job("a")["payload"]
    assert system.ids("ready") == ["a"]


@pytest.mark.parametrize(
    ("envelope", "complaint"),
    [
        ({"key": "k", "coalesce": "always"}, "coalesce is queued, unfinished or stored"),
        ({"key": "k", "coalesce": 1}, "coalesce has the wrong type"),
        ({"key": "k", "replace": 1}, "replace has the wrong type"),
        ({"coalesce": "queued"}, "coalesce and replace go with a key"),
        ({"replace": True}, "coalesce and replace go with a key"),
    ],
)
def test_an_envelope_that_coalesces_wrongly_is_refused(
    system: QueueSystem, envelope: dict[str, Any], complaint: str
) -> None:
    system.push({"job": "n", **envelope})

    assert system.ingest() == (0, 1, 0, 0)
    assert system.rejected()[0][0] == f"bad_field: {complaint}"


def test_an_envelope_coalesces_as_its_job_was_registered(system: QueueSystem) -> None:
    system.run(leases.publish("q", 1000, {"n": {"coalesce": "queued", "replace": True}, "odd": {"coalesce": "odd"}}))
    system.push({"job": "n", "id": "a", "key": "k"}, {"job": "n", "id": "b", "key": "k", "args": [2]})
    system.push({"job": "odd", "id": "c", "key": "odd"}, {"job": "n", "id": "d", "args": [4]})
    system.push({"job": "n", "id": "e", "key": "own", "coalesce": "unfinished", "replace": False})
    assert system.ingest() == (5, 0, 0, 0)

    assert '"id": "b"' in system.job("a")["payload"]
    assert [system.job(job_id).get("coalesce") for job_id in "acde"] == ["queued", None, None, None]
