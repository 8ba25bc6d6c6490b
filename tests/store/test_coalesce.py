"""Coalescing: how long a key stands for a job, and what a second call with it does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jqjobs.job import Coalesce, Enqueued, Kind, NewJob
from jqjobs.store import calls
from jqjobs.store.calls import BoardEntry
from jqjobs.store.store import Store
from store.rig import START_MS, Rig, outcome

MODES = list(Coalesce)
#: How a job that was taken goes back without having run.
UNRUN: dict[str, Callable[[Rig], Any]] = {
    "released": lambda rig: settle_held(rig, Kind.RELEASED),
    "unknown": lambda rig: settle_held(rig, Kind.UNKNOWN),
    "resync": lambda rig: rig.trip("w", 0, held=[]),
    "not started": lambda rig: rig.run(calls.leave("q", "w", "crash", "killed")),
}
#: How one goes back that has run, or may have.
RUN: dict[str, Callable[[Rig], Any]] = {
    "failed": lambda rig: settle_held(rig, Kind.FAILED, 5000),
    "interrupted": lambda rig: settle_held(rig, Kind.INTERRUPTED),
    "crashed": lambda rig: rig.run(calls.leave("q", "w", "crash", "killed", [BoardEntry("a", 1, "running")])),
    "suspect": lambda rig: rig.run(calls.leave("q", "w", "suspect", "killed", [BoardEntry("a", 1, "running")])),
}


def settle_held(rig: Rig, kind: Kind, number: int = 0) -> None:
    job = rig.held_by_w
    assert rig.settle("w", job, kind, number).stale == ()


def taken(rig: Rig, mode: str = "queued") -> None:
    """Have the worker "w" hold a job "a" with the key "k"."""
    rig.add("a", key="k", coalesce=mode)
    [rig.held_by_w] = rig.take("w")


def key_holder(rig: Rig) -> str | None:
    found = rig.redis("HGET", rig.key("unique"), "k")
    return found and found.decode()


def unique(rig: Rig) -> int:
    return rig.redis("HLEN", rig.key("unique"))


def add_again(rig: Rig, job_id: str = "b", **job: Any) -> Enqueued:
    [answer] = rig.add(job_id, key="k", **job)
    return answer


# How long a key stands for its job


@pytest.mark.parametrize("mode", MODES)
def test_while_a_job_waits_its_key_stands_for_it_in_every_mode(rig: Rig, mode: str) -> None:
    rig.add("a", key="k", coalesce=mode, due="+1000")
    assert add_again(rig) == Enqueued("a", False)
    rig.clock.advance(1000)
    rig.tend()
    assert rig.states("a") == ["ready"]
    assert add_again(rig) == Enqueued("a", False)


@pytest.mark.parametrize(("mode", "created"), [("queued", True), ("unfinished", False), ("stored", False)])
def test_only_queued_gives_the_key_away_when_the_job_is_taken(rig: Rig, mode: str, created: bool) -> None:
    taken(rig, mode)

    assert add_again(rig).created is created
    assert key_holder(rig) == ("b" if created else "a")


@pytest.mark.parametrize(("mode", "created"), [("queued", True), ("unfinished", True), ("stored", False)])
def test_only_stored_keeps_the_key_for_a_dead_job(rig: Rig, mode: str, created: bool) -> None:
    taken(rig, mode)
    settle_held(rig, Kind.DISCARDED)
    assert rig.states("a") == ["dead"]

    assert add_again(rig) == Enqueued("b" if created else "a", created)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [Kind.DONE, Kind.KEPT, Kind.MALFORMED])
def test_a_job_that_succeeded_or_is_gone_has_no_key(rig: Rig, mode: str, kind: Kind) -> None:
    taken(rig, mode)
    settle_held(rig, kind, 1000)

    assert unique(rig) == 0
    assert add_again(rig).created


def test_the_mode_is_stored_only_when_it_is_not_the_default(rig: Rig) -> None:
    for mode in MODES:
        rig.add(mode, key=mode, coalesce=mode)

    assert [rig.job(mode).get("coalesce") for mode in MODES] == ["queued", None, "stored"]


def test_a_second_call_leaves_the_mode_of_the_first_one(rig: Rig) -> None:
    rig.add("a", key="k", coalesce="queued")
    add_again(rig, coalesce="stored")
    rig.take("w")

    assert add_again(rig).created


@pytest.mark.parametrize("how", UNRUN)
def test_a_queued_job_that_goes_back_unrun_has_its_key_again(rig: Rig, how: str) -> None:
    taken(rig)
    assert unique(rig) == 0
    UNRUN[how](rig)

    assert key_holder(rig) == "a"
    assert add_again(rig) == Enqueued("a", False)


@pytest.mark.parametrize("how", UNRUN)
def test_a_queued_job_that_goes_back_unrun_lives_on_without_its_key_when_another_one_has_it(rig: Rig, how: str) -> None:
    taken(rig)
    assert add_again(rig).created
    UNRUN[how](rig)

    assert key_holder(rig) == "b"
    assert rig.states("a") != []
    assert add_again(rig, "c") == Enqueued("b", False)


@pytest.mark.parametrize("how", RUN)
def test_a_queued_job_that_has_run_does_not_take_its_key_again(rig: Rig, how: str) -> None:
    taken(rig)
    RUN[how](rig)

    assert unique(rig) == 0
    assert add_again(rig).created


@pytest.mark.parametrize("how", UNRUN)
@pytest.mark.parametrize("mode", ["unfinished", "stored"])
def test_the_other_modes_keep_their_key_whatever_happens_before_the_end(rig: Rig, mode: str, how: str) -> None:
    taken(rig, mode)
    UNRUN[how](rig)

    assert key_holder(rig) == "a"


def test_the_end_of_a_queued_job_frees_no_key_of_its_successor(rig: Rig) -> None:
    taken(rig)
    add_again(rig)
    settle_held(rig, Kind.DONE)

    assert key_holder(rig) == "b"


def test_a_queued_jobs_key_is_free_for_each_job_of_a_batch(rig: Rig) -> None:
    for job_id in "abc":
        rig.add(job_id, key=f"k{job_id}", coalesce="queued")
    jobs = rig.take("w", 3)

    assert unique(rig) == 0
    assert [job.key for job in jobs] == ["", "", ""], "the worker has nothing to report of it"
    rig.trip("w", 0, [outcome(job, Kind.DONE) for job in jobs])
    assert rig.meta("done") == 3


@pytest.mark.parametrize("mode", MODES)
def test_an_expired_job_is_dead_and_has_its_key_only_when_stored(rig: Rig, mode: str) -> None:
    rig.add("a", key="k", coalesce=mode, fields=("expires", "+10"))
    rig.clock.advance(10)
    assert rig.take("w") == []

    assert rig.states("a") == ["dead"]
    assert key_holder(rig) == ("a" if mode == "stored" else None)


# A dead job and its key


@pytest.mark.parametrize(("most", "ms"), [(0, 10**12), (10, 1)])
def test_retention_frees_the_key_of_a_stored_job(rig: Rig, most: int, ms: int) -> None:
    taken(rig, "stored")
    settle_held(rig, Kind.DISCARDED)
    rig.clock.advance(5000)
    rig.tend(max_dead=most, dead_ms=ms)

    assert rig.states("a") == []
    assert unique(rig) == 0
    assert add_again(rig).created


def test_a_stored_job_is_retried_with_its_key(rig: Rig) -> None:
    taken(rig, "stored")
    settle_held(rig, Kind.DISCARDED)

    assert rig.run(calls.retry("q", ["a"])) == [1]
    assert rig.states("a") == ["ready"]
    assert add_again(rig) == Enqueued("a", False)


@pytest.mark.parametrize("mode", ["queued", "unfinished"])
def test_a_dead_job_takes_its_key_again_when_it_is_retried_and_is_refused_when_another_one_has_it(
    rig: Rig, mode: str
) -> None:
    taken(rig, mode)
    settle_held(rig, Kind.DISCARDED)
    add_again(rig)
    assert rig.run(calls.retry("q", ["a"])) == [-1]
    assert rig.states("a") == ["dead"]

    rig.round(Kind.DONE)
    assert rig.run(calls.retry("q", ["a"])) == [1]
    assert key_holder(rig) == "a"


def test_of_two_dead_jobs_with_one_key_the_first_retried_wins(rig: Rig) -> None:
    for job_id in "ab":
        rig.add(job_id, key="k")
        rig.round(Kind.DISCARDED)

    assert rig.run(calls.retry("q", ["b", "a", "b"])) == [1, -1, 0]
    assert key_holder(rig) == "b"


def test_a_damaged_job_has_no_key_once_it_is_dead(real_rig: Rig) -> None:
    taken(real_rig, "unfinished")
    real_rig.redis("HSET", real_rig.key("job:a"), "failures", "x")
    settle_held(real_rig, Kind.FAILED)

    assert real_rig.states("a") == ["dead"]
    assert unique(real_rig) == 0


# Replace


def test_replacing_a_waiting_job_gives_it_the_new_call_under_its_old_id(rig: Rig) -> None:
    rig.add("a", key="k", name="old", payload=b"1", priority=3, fields=("keep", 5, "max_attempts", 2))
    rig.clock.advance(50)

    assert add_again(rig, name="new", payload=b"2", fields=("timeout", 7), replace=True) == Enqueued("a", False, True)
    assert rig.job("a") == {
        "name": "new", "payload": "2", "enqueued": str(START_MS), "attempt": "0", "key": "k", "timeout": "7",
    }  # fmt: skip
    assert rig.states("b") == []
    [job] = rig.take("w")
    assert (job.id, job.attempt, job.name, job.payload, job.timeout_ms, job.keep_ms) == ("a", 1, "new", b"2", 7, None)


def test_without_replace_the_first_call_stands(rig: Rig) -> None:
    rig.add("a", key="k", payload=b"1")

    assert add_again(rig, payload=b"2") == Enqueued("a", False, False)
    assert rig.job("a")["payload"] == "1"


def test_a_replaced_job_keeps_its_place(rig: Rig) -> None:
    rig.add("a", key="k")
    rig.add("later")
    add_again(rig, replace=True)

    assert rig.ids("ready") == ["a", "later"]


def test_a_replaced_job_of_another_priority_takes_a_new_place(rig: Rig) -> None:
    rig.add("a", key="k")
    rig.add("later")
    add_again(rig, replace=True, priority=-1)
    assert rig.ids("ready") == ["later", "a"]

    add_again(rig, replace=True, priority=4)
    assert rig.ids("ready") == ["a", "later"]
    assert rig.score("ready", "a") == -4 * 2**40 + 4


def test_each_replacement_puts_the_due_time_off_which_is_debounce(rig: Rig) -> None:
    rig.add("a", key="k", due="+1000")
    for _ in range(3):
        rig.clock.advance(600)
        assert add_again(rig, due="+1000", replace=True).replaced
        rig.tend()
    assert rig.states("a") == ["scheduled"]
    assert rig.score("scheduled", "a") == START_MS + 1800 + 1000
    assert rig.job("a")["due"] == str(START_MS + 2800)


def test_a_delayed_job_that_is_replaced_by_one_due_now_is_ready(rig: Rig) -> None:
    rig.add("a", key="k", due="+1000")
    rig.use_up_token()
    add_again(rig, replace=True)

    assert rig.states("a") == ["ready"]
    assert "due" not in rig.job("a")
    assert rig.wakes()


def test_a_ready_job_that_is_replaced_by_a_delayed_one_is_scheduled(rig: Rig) -> None:
    rig.add("a", key="k")
    add_again(rig, due="+1000", replace=True)

    assert rig.states("a") == ["scheduled"]


def test_a_parked_job_is_replaced_and_comes_up_in_its_place(rig: Rig) -> None:
    rig.add("a", key="k", name="nobody")
    rig.round(Kind.UNKNOWN)
    rig.add("later")
    assert rig.states("a") == ["parked"]
    assert add_again(rig, name="n", replace=True).replaced

    assert rig.ids("ready") == ["a", "later"]
    assert "rank" not in rig.job("a")


def test_a_job_that_waits_for_a_limit_is_replaced_and_leaves_nothing_there(rig: Rig) -> None:
    rig.add("first", fields=("limits", "c 1 0 one"))
    rig.add("a", key="k", fields=("limits", "c 1 0 one"))
    rig.take("w")
    rig.take("w2")
    assert rig.states("a") == ["held"]
    rig.add("later")
    assert add_again(rig, replace=True).replaced

    assert rig.ids("ready") == ["a", "later"]
    assert (rig.ids("held:one"), rig.ids("scheduled")) == ([], [])
    assert not {"limits", "held"} & rig.job("a").keys()


def test_a_replaced_job_keeps_its_counters_and_its_history(rig: Rig) -> None:
    rig.add("a", key="k")
    rig.round(Kind.FAILED, 5000, line=b'{"attempt":1}')
    add_again(rig, replace=True)

    assert rig.counters("a") == {"failures": 1, "executions": 1}
    assert rig.history("a") == [{"attempt": 1}]
    [job] = rig.take("w")
    assert job.attempt == 2, "an attempt is never used twice"


@pytest.mark.parametrize("mode", ["unfinished", "stored"])
def test_a_job_that_runs_is_only_named(rig: Rig, mode: str) -> None:
    taken(rig, mode)
    before = rig.everything()

    assert add_again(rig, payload=b"2", replace=True) == Enqueued("a", False, False)
    after = rig.everything()
    before.pop(rig.key("meta").encode()), after.pop(rig.key("meta").encode())
    assert after == before


def test_a_dead_stored_job_is_only_named(rig: Rig) -> None:
    taken(rig, "stored")
    settle_held(rig, Kind.DISCARDED)

    assert add_again(rig, payload=b"2", replace=True) == Enqueued("a", False, False)
    assert (rig.states("a"), rig.job("a")["payload"]) == (["dead"], "{}")


def test_replacing_changes_the_mode_too(rig: Rig) -> None:
    rig.add("a", key="k", coalesce="queued")
    add_again(rig, replace=True)
    rig.take("w")

    assert key_holder(rig) == "a"


def test_resending_a_replacement_changes_nothing_more(rig: Rig) -> None:
    rig.add("a", key="k", due="+1000")
    add_again(rig, due="+1000", payload=b"2", replace=True)
    before = rig.job("a")

    assert add_again(rig, due="+1000", payload=b"2", replace=True) == Enqueued("a", False, True)
    assert rig.job("a") == before


def test_one_id_stands_for_one_record_even_with_replace(rig: Rig) -> None:
    rig.add("a", key="k", payload=b"1")

    assert add_again(rig, "a", payload=b"2", replace=True) == Enqueued("a", False, False)
    assert rig.job("a")["payload"] == "1"


# Many at once, and other languages


def test_a_hundred_enqueues_at_once_make_one_job(real_rig: Rig, connect: Callable[..., Store]) -> None:
    stores = [connect(real_rig.url) for _ in range(10)]

    def enqueue(n: int) -> Enqueued:
        return stores[n // 10].run(calls.enqueue("q", [NewJob("n", b"{}", f"j{n}", key="k")]))[0]

    def ten(first: int) -> list[Enqueued]:
        return [enqueue(first + n) for n in range(10)]

    with ThreadPoolExecutor(10) as pool:
        answers = [answer for part in pool.map(ten, range(0, 100, 10)) for answer in part]
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.id for answer in answers}) == 1
    assert len(real_rig.ids("ready")) == 1


def test_an_envelope_says_how_it_coalesces(rig: Rig) -> None:
    rig.push({"job": "n", "id": "a", "key": "k", "coalesce": "queued", "kwargs": {"v": 1}})
    rig.push({"job": "n", "id": "b", "key": "k", "replace": True, "coalesce": "stored", "kwargs": {"v": 2}})
    rig.push({"job": "n", "id": "c", "key": "k", "replace": False})
    assert rig.ingest() == (2, 0, 1, 0)

    assert rig.job("a")["coalesce"] == "stored"
    assert '"id": "b"' in rig.job("a")["payload"]
    assert rig.ids("ready") == ["a"]


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
def test_an_envelope_that_coalesces_wrongly_is_refused(rig: Rig, envelope: dict[str, Any], complaint: str) -> None:
    rig.push({"job": "n", **envelope})

    assert rig.ingest() == (0, 1, 0, 0)
    assert rig.rejected()[0][0] == f"bad_field: {complaint}"


def test_an_envelope_coalesces_as_its_job_was_registered(rig: Rig) -> None:
    rig.run(calls.publish("q", 1000, {"n": {"coalesce": "queued", "replace": True}, "odd": {"coalesce": "odd"}}))
    rig.push({"job": "n", "id": "a", "key": "k"}, {"job": "n", "id": "b", "key": "k", "args": [2]})
    rig.push({"job": "odd", "id": "c", "key": "odd"}, {"job": "n", "id": "d", "args": [4]})
    rig.push({"job": "n", "id": "e", "key": "own", "coalesce": "unfinished", "replace": False})
    assert rig.ingest() == (5, 0, 0, 0)

    assert '"id": "b"' in rig.job("a")["payload"]
    assert [rig.job(job_id).get("coalesce") for job_id in "acde"] == ["queued", None, None, None]
