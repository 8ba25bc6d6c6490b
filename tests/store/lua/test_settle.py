"""lua/rules/trip/settle.lua and outcomes.lua: what each reported outcome makes of a job."""

from __future__ import annotations

import pytest

from jqjobs.jobs.limits import Concurrency
from jqjobs.jobs.records import Kind, NewJob
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import enqueueing, leases, trips, upkeep
from jqjobs.store.calls.cancels import cancel
from store.queue_system import START_MS, QueueSystem, outcome

GIVES_NOTHING_BACK = (Kind.DONE, Kind.KEPT, Kind.DISCARDED, Kind.MALFORMED)


@pytest.mark.parametrize("key", ["", "k"])
def test_done_forgets_the_job_and_counts_it(system: QueueSystem, key: str) -> None:
    system.add("a", key=key)
    system.round(Kind.DONE)

    assert system.everything().keys() == {
        system.key(part).encode() for part in ("leases", "meta", "trip:w", "succeeded", minute(system))
    }
    assert system.meta("done") == 1


def minute(system: QueueSystem) -> str:
    return f"minute:{system.clock.now_ms // 60_000}"


def test_a_minute_of_counts_expires(system: QueueSystem) -> None:
    system.add("a", "b")
    system.round(Kind.DONE)
    system.round(Kind.DISCARDED)

    assert system.redis("HGETALL", system.key(minute(system))) == [b"done", b"1", b"failed", b"1"]
    assert 7100 < system.redis("TTL", system.key(minute(system))) <= 7200


def test_kept_keeps_the_result_for_as_long_as_asked(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.round(Kind.KEPT, 5000, line=b'{"sum":3}')

    assert system.states("a") == ["kept"]
    assert system.score("kept", "a") == START_MS + 5000
    stored = system.job("a")
    assert (stored["result"], stored["finished"], stored["executions"]) == ('{"sum":3}', str(START_MS), "1")
    assert system.meta("done") == 1
    assert system.add("b", key="k")[0].created


@pytest.mark.parametrize(
    "fields", [(), ("fair", "=g"), ("limits", Concurrency(2).text("api"))], ids=["nothing more", "group", "limit"]
)  # fmt: skip
@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("before", [None, "failed", "cancelled", "awaited", "no more in hand", "damaged place"])
def test_the_short_way_of_most_successes_leads_where_the_long_one_does(
    system: QueueSystem, fields: tuple[str, ...], before: str | None, keeps: bool
) -> None:
    def after_a_success(*, is_long: bool) -> dict[bytes, object]:
        system.redis("FLUSHALL")
        system.trips.clear()
        system.add("a", fields=fields)
        system.add("b", fields=fields, key="k")
        system.add("c", fields=fields)
        taken = system.take(want=3)
        if before == "failed":
            system.trip("w", 0, [outcome(each, Kind.FAILED, 0) for each in taken])
            taken = system.take(want=3)
        if before == "cancelled":
            system.run(cancel("q", "c"))
        if before == "awaited":
            system.redis("HSET", system.key("job:c"), "awaited", "1")
        if before == "no more in hand":
            system.redis("ZREM", system.key("active:w"), "a 1")
        if before == "damaged place" and keeps:
            system.redis("SET", system.key("kept"), "x")
        how = {"kind": Kind.KEPT, "number": 5000, "line": b"[1]"} if keeps else {"kind": Kind.DONE, "line": b""}
        ends = [outcome(each, **how) for each in taken]
        trip = system.run(trips.exchange(["q"], "w", 9, 0, 1000, outcomes=ends, tell_settled=is_long))
        return {b"stale": trip.stale} | {key: what for key, what in system.everything().items() if b":trip:" not in key}

    assert after_a_success(is_long=False) == after_a_success(is_long=True)


def test_a_result_that_cannot_be_stored_says_why_and_the_job_succeeded(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.KEPT, 5000, text="a set is not JSON", line=b"")

    stored = system.job("a")
    assert system.states("a") == ["kept"]
    assert stored["result_missing"] == "a set is not JSON"
    assert "result" not in stored


def test_a_failure_is_remembered_and_tried_again_after_its_delay(system: QueueSystem) -> None:
    system.add("a", key="k")
    system.round(Kind.FAILED, 700, text="boom", line=b'{"attempt":1,"reason":"failed"}')

    assert system.states("a") == ["scheduled"]
    assert system.score("scheduled", "a") == START_MS + 700
    assert system.counters("a") == {"failures": 1, "executions": 1}
    assert system.job("a")["error"] == "boom"
    assert system.history("a") == [{"attempt": 1, "reason": "failed"}]
    assert system.meta("failed") == 1
    assert not system.add("b", key="k")[0].created


def test_a_failure_without_delay_is_ready_again_in_the_same_trip(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.FAILED)

    assert system.states("a") == ["ready"]
    assert system.counters("a") == {"failures": 1, "executions": 1}


@pytest.mark.parametrize(("kind", "reason"), [(Kind.FAILED, "failed"), (Kind.HUNG, "hung")])
def test_the_last_allowed_failure_makes_the_job_dead(system: QueueSystem, kind: Kind, reason: str) -> None:
    system.add("a", key="k", fields=("max_attempts", 3))
    for _ in range(2):
        system.round(kind, 10)
        assert system.states("a") == ["scheduled"]
        system.clock.advance(10)
    system.round(kind, 10)

    assert system.states("a") == ["dead"]
    assert system.score("dead", "a") == START_MS + 20
    stored = system.job("a")
    assert (stored["reason"], stored["finished"]) == (reason, str(START_MS + 20))
    assert system.add("b", key="k")[0].created


@pytest.mark.parametrize(
    ("own", "published", "limit"), [(1, None, 1), (5, 2, 5), (None, 2, 2), (None, None, 10), (None, "x", 10)]
)
def test_max_attempts_comes_from_the_job_else_the_catalog_else_the_default(
    system: QueueSystem, own: int | None, published: object, limit: int
) -> None:
    if published is not None:
        system.run(leases.publish("q", 1000, {"n": {"max_attempts": published}}))
    system.add("a", fields=() if own is None else ("max_attempts", own))
    for failures in range(1, limit + 1):
        assert "dead" not in system.states("a")
        system.round(Kind.FAILED)
        assert system.counters("a")["failures"] == failures

    assert system.states("a") == ["dead"]


def test_after_a_retry_the_worker_hears_only_of_failures_that_count_so_that_delays_begin_anew(
    system: QueueSystem,
) -> None:
    system.add("a", fields=("max_attempts", 2))
    assert [system.round(Kind.FAILED).failures for _ in range(2)] == [0, 1]
    system.run(upkeep.retry("q", ["a"]))

    assert [system.round(Kind.FAILED).failures for _ in range(2)] == [0, 1]
    assert system.states("a") == ["dead"]


def test_discarded_is_dead_at_once(system: QueueSystem) -> None:
    system.add("a")
    system.round(Kind.DISCARDED, text="never", line=b'{"n":1}')

    assert system.states("a") == ["dead"]
    assert system.job("a")["reason"] == "discarded"
    assert system.counters("a") == {"failures": 1, "executions": 1}
    assert (system.job("a")["error"], system.history("a")) == ("never", [{"n": 1}])


def test_an_interrupt_is_free_and_goes_back_in_place(system: QueueSystem) -> None:
    system.add("a", "b", "c")
    a, b = system.take("w", 2)
    system.settle("w", b, Kind.INTERRUPTED, line=b'{"n":1}')
    system.settle("w", a, Kind.INTERRUPTED)

    assert system.ids("ready") == ["a", "b", "c"]
    assert system.counters("b") == {"interrupts": 1, "executions": 1}
    assert system.history("b") == [{"n": 1}]


def test_interrupts_are_free_however_many(system: QueueSystem) -> None:
    system.add("a", key="k")
    for _ in range(30):
        system.round(Kind.INTERRUPTED)

    assert system.states("a") == ["ready"]
    assert system.counters("a") == {"interrupts": 30, "executions": 30}


def test_the_third_time_that_it_hangs_it_is_dead_whatever_its_attempts(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 9))
    for _ in range(3):
        assert system.states("a") == ["ready"]
        system.round(Kind.HUNG)

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "hung")


def test_released_touches_no_counter_but_attempt(system: QueueSystem) -> None:
    system.add("a", priority=3)
    before = system.job("a")
    system.round(Kind.RELEASED)

    after = system.job("a")
    assert (after.pop("attempt"), after.pop("taken")) == ("1", str(START_MS))
    assert after == before
    assert system.score("ready", "a") == -3 * 2**40 + 1


def test_malformed_goes_to_rejected_with_its_bytes_and_no_attempt_is_charged(system: QueueSystem) -> None:
    system.add("a", payload=b"\xff{", key="k")
    system.round(Kind.MALFORMED, text="not UTF-8")

    assert system.states("a") == []
    assert system.rejected() == [("malformed: not UTF-8", b"\xff{")]
    assert system.meta("rejected_bytes") == 2
    assert system.meta("failed") is None
    assert system.redis("EXISTS", system.key("job:a")) == 0
    assert system.redis("HLEN", system.key("unique")) == 0


def test_a_reason_of_several_lines_does_not_run_into_the_bytes(system: QueueSystem) -> None:
    system.add("a", payload=b"raw")
    system.round(Kind.MALFORMED, text="line one\nline two\r\x1b[31m")

    [(reason, raw)] = system.rejected()
    assert reason.startswith("malformed: line one")
    assert "\x1b" not in reason
    assert raw == b"raw"


def test_the_counters_are_never_merged(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 9))
    system.round(Kind.FAILED)
    system.round(Kind.INTERRUPTED)
    system.round(Kind.HUNG)
    system.round(Kind.RELEASED)
    system.take("w")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 5, "crashed")]))

    assert system.counters("a") == {"failures": 2, "interrupts": 1, "crashes": 1, "executions": 4, "hung": 1}
    assert system.job("a")["attempt"] == "5"


def test_history_remembers_the_last_twenty_attempts(system: QueueSystem) -> None:
    system.add("a", fields=("max_attempts", 100))
    for n in range(25):
        system.round(Kind.FAILED, line=b'{"n":%d}' % n)

    assert system.history("a") == [{"n": n} for n in range(5, 25)]


def test_a_settle_of_a_superseded_attempt_is_stale_and_changes_nothing(system: QueueSystem) -> None:
    system.add("a")
    [old] = system.take("w")
    system.settle("w", old, Kind.RELEASED)
    [new] = system.take("w")
    for kind in Kind:
        before = system.job("a")
        assert system.settle("w", old, kind).stale == ("a",), kind
        assert (system.job("a"), system.states("a")) == (before, ["active:w"]), kind

    assert new.attempt == 2


def test_a_settle_of_what_another_worker_holds_is_stale_even_with_the_right_attempt(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take("holder")
    system.join("other")
    for kind in Kind:
        assert system.settle("other", job, kind).stale == ("a",), kind
        assert system.states("a") == ["active:holder"], kind


@pytest.mark.parametrize("kind", list(Kind))
def test_an_unknown_id_is_stale(system: QueueSystem, kind: Kind) -> None:
    system.join("w")
    before = system.everything()

    assert system.trip("w", 0, [outcome(TakenJob("q", "ghost", 1, "n", b""), kind)]).stale == ("ghost",)
    del before[system.key("trip:w").encode()]
    assert before.items() <= system.everything().items()
    assert system.states("ghost") == []


@pytest.mark.parametrize("kind", GIVES_NOTHING_BACK)
def test_an_outcome_reported_twice_in_one_trip_counts_once(system: QueueSystem, kind: Kind) -> None:
    system.add("a")
    [job] = system.take("w")

    system.trip("w", 0, [outcome(job, kind, 1000), outcome(job, kind, 1000)])
    assert (system.meta("done") or 0) + (system.meta("failed") or 0) == (0 if kind is Kind.MALFORMED else 1)


def test_good_and_stale_outcomes_of_one_trip_do_not_disturb_each_other(system: QueueSystem) -> None:
    system.add("a", "b", "c", "d")
    a, b, c, d = system.take("w", 4)
    b.attempt = d.attempt = 7
    kinds = [(a, Kind.DONE), (b, Kind.DONE), (c, Kind.FAILED), (d, Kind.FAILED)]

    assert system.trip("w", 0, [outcome(job, kind, 10) for job, kind in kinds]).stale == ("b", "d")
    assert [system.states(job_id) for job_id in "abcd"] == [[], ["active:w"], ["scheduled"], ["active:w"]]


def test_limited_jobs_that_succeed_together_leave_nothing_and_disturb_no_other_outcome(system: QueueSystem) -> None:
    for job_id in "abcdef":
        system.add_limited(job_id, limits=Concurrency(1).text(job_id), key="k" if job_id == "b" else "")
    a, b, c, d, e, _ = system.take("w", 6, free=6)
    d.attempt = 7
    kinds = [(a, Kind.DONE), (b, Kind.DONE), (c, Kind.FAILED), (d, Kind.DONE), (e, Kind.DONE)]

    assert system.trip("w", 0, [outcome(job, kind, 10) for job, kind in kinds]).stale == ("d",)
    assert [system.states(job_id) for job_id in "abcdef"] == [[], [], ["scheduled"], ["active:w"], [], ["active:w"]]
    assert (system.meta("done"), system.redis("LRANGE", system.key("succeeded"), 0, -1)) == (3, [b"a", b"e", b"b"])
    left = [key.decode().removeprefix(system.key("")) for key in system.everything()]
    assert [part for part in left if part.startswith("job:")] == ["job:c", "job:c:history", "job:d", "job:f"]
    assert [part for part in left if part.startswith("limit:")] == ["limit:d/running", "limit:f/running"]


def test_a_success_that_comes_too_late_frees_no_place_of_who_has_the_job_now(system: QueueSystem) -> None:
    system.add_limited("a", "b", limits=Concurrency(2).text("t"))
    a, b = (system.take(worker, free=1)[0] for worker in "wv")

    assert system.trip("w", 0, [outcome(job, Kind.DONE, 0) for job in (a, b)]).stale == ("b",)
    assert system.redis("ZRANGE", system.key("limit:t/running"), 0, -1) == [b"b 1"]


def test_outcomes_of_several_queues_travel_in_one_trip(system: QueueSystem) -> None:
    system.add("x", queue="a")
    system.add("y", "z", queue="b")
    x, y, z = system.take("w", 3, queues=("a", "b"))
    kinds = [(z, Kind.FAILED), (x, Kind.DISCARDED), (y, Kind.DONE)]
    system.trip("w", 0, [outcome(job, kind, 10) for job, kind in kinds], queues=("a", "b"))

    assert [system.states("x", "a"), system.states("y", "b"), system.states("z", "b")] == [["dead"], [], ["scheduled"]]


def test_an_outcome_of_a_kind_this_script_does_not_know_loses_no_job(system: QueueSystem) -> None:
    system.add("a", "b")
    a, b = system.take("w", 2)
    call = trips.exchange(["q"], "w", 50, 0, 30_000, outcomes=[outcome(a, Kind.FAILED), outcome(b, Kind.FAILED, 10)])
    call.args[call.args.index("failed")] = "invented"
    system.run(call)

    assert system.states("a") == ["ready"]
    assert system.states("b") == ["scheduled"]


def test_a_job_with_damaged_fields_is_dead_and_takes_no_neighbour_along(real_system: QueueSystem) -> None:
    real_system.add("a", "b")
    real_system.take(want=3)
    real_system.store.wire.call("HSET", "jq:{q}:job:a", "crashes", "x")
    board = [BoardEntry("a", 1, "crashed")]
    assert real_system.store.run(leases.leave("q", "w", "killed", board)) == 2
    assert (real_system.ids("dead"), real_system.ids("ready")) == (["a"], ["b"])
    assert real_system.job("a")["error"] == "its field crashes is no number that may be there: x"


def test_a_queue_with_a_key_of_the_wrong_type_stops_no_other(real_system: QueueSystem) -> None:
    store = real_system.store
    for queue in ("q", "r"):
        assert store.run(leases.join(queue, "w", 30_000))
    store.wire.call("SET", "jq:{q}:scheduled", "x")
    store.run(enqueueing.enqueue("r", [NewJob("n", b"{}", "good")]))
    trip = store.run(trips.exchange(["q", "r"], "w", 1, 5, 30_000))
    assert [job.id for job in trip.jobs] == ["good"]
    assert [queue for queue, error in trip.broken if "WRONGTYPE" in error] == ["q"]
