"""lua/settle.lua and fates.lua: what each reported outcome makes of a job."""

from __future__ import annotations

import pytest

from jqjobs.job import Kind, NewJob, Outcome
from jqjobs.store import calls, trips
from store.rig import START_MS, Rig, outcome

GIVES_NOTHING_BACK = (Kind.DONE, Kind.KEPT, Kind.DISCARDED, Kind.MALFORMED)


@pytest.mark.parametrize("key", ["", "k"])
def test_done_forgets_the_job_and_counts_it(rig: Rig, key: str) -> None:
    rig.add("a", key=key)
    rig.round(Kind.DONE)

    assert rig.everything().keys() == {rig.key(part).encode() for part in ("leases", "meta", "trip:w", minute(rig))}
    assert rig.meta("done") == 1


def minute(rig: Rig) -> str:
    return f"minute:{rig.clock.now_ms // 60_000}"


def test_a_minute_of_counts_expires(rig: Rig) -> None:
    rig.add("a", "b")
    rig.round(Kind.DONE)
    rig.round(Kind.DISCARDED)

    assert rig.redis("HGETALL", rig.key(minute(rig))) == [b"done", b"1", b"failed", b"1"]
    assert 7100 < rig.redis("TTL", rig.key(minute(rig))) <= 7200


def test_kept_keeps_the_result_for_as_long_as_asked(rig: Rig) -> None:
    rig.add("a", key="k")
    rig.round(Kind.KEPT, 5000, line=b'{"sum":3}')

    assert rig.states("a") == ["kept"]
    assert rig.score("kept", "a") == START_MS + 5000
    stored = rig.job("a")
    assert (stored["result"], stored["finished"], stored["executions"]) == ('{"sum":3}', str(START_MS), "1")
    assert rig.meta("done") == 1
    assert rig.add("b", key="k")[0].created


def test_a_result_that_cannot_be_stored_says_why_and_the_job_succeeded(rig: Rig) -> None:
    rig.add("a")
    rig.round(Kind.KEPT, 5000, text="a set is not JSON", line=b"")

    stored = rig.job("a")
    assert rig.states("a") == ["kept"]
    assert stored["result_missing"] == "a set is not JSON"
    assert "result" not in stored


def test_a_failure_is_remembered_and_tried_again_after_its_delay(rig: Rig) -> None:
    rig.add("a", key="k")
    rig.round(Kind.FAILED, 700, text="boom", line=b'{"attempt":1,"reason":"failed"}')

    assert rig.states("a") == ["scheduled"]
    assert rig.score("scheduled", "a") == START_MS + 700
    assert rig.counters("a") == {"failures": 1, "executions": 1}
    assert rig.job("a")["error"] == "boom"
    assert rig.history("a") == [{"attempt": 1, "reason": "failed"}]
    assert rig.meta("failed") == 1
    assert not rig.add("b", key="k")[0].created


def test_a_failure_without_delay_is_ready_again_in_the_same_trip(rig: Rig) -> None:
    rig.add("a")
    rig.round(Kind.FAILED)

    assert rig.states("a") == ["ready"]
    assert rig.counters("a") == {"failures": 1, "executions": 1}


@pytest.mark.parametrize(("kind", "reason"), [(Kind.FAILED, "failed"), (Kind.HUNG, "hung")])
def test_the_last_allowed_failure_makes_the_job_dead(rig: Rig, kind: Kind, reason: str) -> None:
    rig.add("a", key="k")
    for _ in range(2):
        rig.round(kind, 10)
        assert rig.states("a") == ["scheduled"]
        rig.clock.advance(10)
    rig.round(kind, 10)

    assert rig.states("a") == ["dead"]
    assert rig.score("dead", "a") == START_MS + 20
    stored = rig.job("a")
    assert (stored["reason"], stored["finished"]) == (reason, str(START_MS + 20))
    assert rig.add("b", key="k")[0].created


@pytest.mark.parametrize(
    ("own", "published", "limit"), [(1, None, 1), (5, 2, 5), (None, 2, 2), (None, None, 3), (None, "x", 3)]
)
def test_max_attempts_comes_from_the_job_else_the_catalog_else_the_default(
    rig: Rig, own: int | None, published: object, limit: int
) -> None:
    if published is not None:
        rig.run(calls.publish("q", 1000, {"n": {"max_attempts": published}}))
    rig.add("a", fields=() if own is None else ("max_attempts", own))
    for failures in range(1, limit + 1):
        assert "dead" not in rig.states("a")
        rig.round(Kind.FAILED)
        assert rig.counters("a")["failures"] == failures

    assert rig.states("a") == ["dead"]


def test_discarded_is_dead_at_once(rig: Rig) -> None:
    rig.add("a")
    rig.round(Kind.DISCARDED, text="never", line=b'{"n":1}')

    assert rig.states("a") == ["dead"]
    assert rig.job("a")["reason"] == "discarded"
    assert rig.counters("a") == {"failures": 1, "executions": 1}
    assert (rig.job("a")["error"], rig.history("a")) == ("never", [{"n": 1}])


def test_an_interrupt_is_free_and_goes_back_in_place(rig: Rig) -> None:
    rig.add("a", "b", "c")
    a, b = rig.take("w", 2)
    rig.settle("w", b, Kind.INTERRUPTED, line=b'{"n":1}')
    rig.settle("w", a, Kind.INTERRUPTED)

    assert rig.ids("ready") == ["a", "b", "c"]
    assert rig.counters("b") == {"interrupts": 1, "executions": 1}
    assert rig.history("b") == [{"n": 1}]


def test_the_twentieth_interrupt_makes_the_job_dead(rig: Rig) -> None:
    rig.add("a", key="k")
    for _ in range(19):
        rig.round(Kind.INTERRUPTED)
        assert rig.states("a") == ["ready"]
    rig.round(Kind.INTERRUPTED)

    assert rig.states("a") == ["dead"]
    assert rig.job("a")["reason"] == "interrupted"
    assert rig.counters("a") == {"interrupts": 20, "executions": 20}
    assert rig.add("b", key="k")[0].created


def test_released_touches_no_counter_but_attempt(rig: Rig) -> None:
    rig.add("a", priority=3)
    before = rig.job("a")
    rig.round(Kind.RELEASED)

    after = rig.job("a")
    assert (after.pop("attempt"), after.pop("taken")) == ("1", str(START_MS))
    assert after == before
    assert rig.score("ready", "a") == -3 * 2**40 + 1


def test_malformed_goes_to_rejected_with_its_bytes_and_no_attempt_is_charged(rig: Rig) -> None:
    rig.add("a", payload=b"\xff{", key="k")
    rig.round(Kind.MALFORMED, text="not UTF-8")

    assert rig.states("a") == []
    assert rig.rejected() == [("malformed: not UTF-8", b"\xff{")]
    assert rig.meta("rejected_bytes") == 2
    assert rig.meta("failed") is None
    assert rig.redis("EXISTS", rig.key("job:a")) == 0
    assert rig.redis("HLEN", rig.key("unique")) == 0


def test_a_reason_of_several_lines_does_not_run_into_the_bytes(rig: Rig) -> None:
    rig.add("a", payload=b"raw")
    rig.round(Kind.MALFORMED, text="line one\nline two\r\x1b[31m")

    [(reason, raw)] = rig.rejected()
    assert reason.startswith("malformed: line one")
    assert "\x1b" not in reason
    assert raw == b"raw"


def test_the_four_counters_are_never_merged(rig: Rig) -> None:
    rig.add("a", fields=("max_attempts", 9))
    rig.round(Kind.FAILED)
    rig.round(Kind.INTERRUPTED)
    rig.round(Kind.HUNG)
    rig.round(Kind.RELEASED)
    rig.take("w")
    rig.run(calls.leave("q", "w", "crash", "killed", [calls.BoardEntry("a", 5, "running")]))

    assert rig.counters("a") == {"failures": 2, "interrupts": 1, "crashes": 1, "executions": 4}
    assert rig.job("a")["attempt"] == "5"


def test_history_remembers_the_last_twenty_attempts(rig: Rig) -> None:
    rig.add("a", fields=("max_attempts", 100))
    for n in range(25):
        rig.round(Kind.FAILED, line=b'{"n":%d}' % n)

    assert rig.history("a") == [{"n": n} for n in range(5, 25)]


def test_a_settle_of_a_superseded_attempt_is_stale_and_changes_nothing(rig: Rig) -> None:
    rig.add("a")
    [old] = rig.take("w")
    rig.settle("w", old, Kind.RELEASED)
    [new] = rig.take("w")
    for kind in Kind:
        before = rig.job("a")
        assert rig.settle("w", old, kind).stale == ("a",), kind
        assert (rig.job("a"), rig.states("a")) == (before, ["active:w"]), kind

    assert new.attempt == 2


def test_a_settle_of_what_another_worker_holds_is_stale_even_with_the_right_attempt(rig: Rig) -> None:
    rig.add("a")
    [job] = rig.take("holder")
    rig.join("other")
    for kind in Kind:
        assert rig.settle("other", job, kind).stale == ("a",), kind
        assert rig.states("a") == ["active:holder"], kind


@pytest.mark.parametrize("kind", list(Kind))
def test_an_unknown_id_is_stale(rig: Rig, kind: Kind) -> None:
    rig.join("w")
    before = rig.everything()

    assert rig.trip("w", 0, [Outcome("q", "ghost", 1, kind)]).stale == ("ghost",)
    del before[rig.key("trip:w").encode()]
    assert before.items() <= rig.everything().items()
    assert rig.states("ghost") == []


@pytest.mark.parametrize("kind", GIVES_NOTHING_BACK)
def test_an_outcome_reported_twice_in_one_trip_counts_once(rig: Rig, kind: Kind) -> None:
    rig.add("a")
    [job] = rig.take("w")

    rig.trip("w", 0, [outcome(job, kind, 1000), outcome(job, kind, 1000)])
    assert (rig.meta("done") or 0) + (rig.meta("failed") or 0) == (0 if kind is Kind.MALFORMED else 1)


def test_good_and_stale_outcomes_of_one_trip_do_not_disturb_each_other(rig: Rig) -> None:
    rig.add("a", "b", "c", "d")
    a, b, c, d = rig.take("w", 4)
    b.attempt = d.attempt = 7
    kinds = [(a, Kind.DONE), (b, Kind.DONE), (c, Kind.FAILED), (d, Kind.FAILED)]

    assert rig.trip("w", 0, [outcome(job, kind, 10) for job, kind in kinds]).stale == ("b", "d")
    assert [rig.states(job_id) for job_id in "abcd"] == [[], ["active:w"], ["scheduled"], ["active:w"]]


def test_outcomes_of_several_queues_travel_in_one_trip(rig: Rig) -> None:
    rig.add("x", queue="a")
    rig.add("y", "z", queue="b")
    x, y, z = rig.take("w", 3, queues=("a", "b"))
    kinds = [(z, Kind.FAILED), (x, Kind.DISCARDED), (y, Kind.DONE)]
    rig.trip("w", 0, [outcome(job, kind, 10) for job, kind in kinds], queues=("a", "b"))

    assert [rig.states("x", "a"), rig.states("y", "b"), rig.states("z", "b")] == [["dead"], [], ["scheduled"]]


def test_an_outcome_of_a_kind_this_script_does_not_know_loses_no_job(rig: Rig) -> None:
    rig.add("a", "b")
    a, b = rig.take("w", 2)
    call = trips.exchange(["q"], "w", 50, 0, 30_000, outcomes=[outcome(a, Kind.FAILED), outcome(b, Kind.FAILED, 10)])
    call.args[call.args.index("failed")] = "invented"
    rig.run(call)

    assert rig.states("a") == ["ready"]
    assert rig.states("b") == ["scheduled"]


def test_a_job_with_damaged_fields_is_dead_and_takes_no_neighbour_along(real_rig: Rig) -> None:
    real_rig.add("a", "b")
    real_rig.take(want=2)
    real_rig.store.wire.call("HSET", "jq:{q}:job:a", "crashes", "x")
    board = [calls.BoardEntry("a", 1, "running")]
    assert real_rig.store.run(calls.leave("q", "w", "crash", "killed", board)) == 2
    assert (real_rig.ids("dead"), real_rig.ids("ready")) == (["a"], ["b"])
    assert "not an integer" in real_rig.job("a")["error"]


def test_a_queue_with_a_key_of_the_wrong_type_stops_no_other(real_rig: Rig) -> None:
    store = real_rig.store
    for queue in ("q", "r"):
        assert store.run(calls.join(queue, "w", 30_000))
    store.wire.call("SET", "jq:{q}:scheduled", "x")
    store.run(calls.enqueue("r", [NewJob("n", b"{}", "good")]))
    trip = store.run(trips.exchange(["q", "r"], "w", 1, 5, 30_000))
    assert [job.id for job in trip.jobs] == ["good"]
    assert [queue for queue, error in trip.broken if "WRONGTYPE" in error] == ["q"]
