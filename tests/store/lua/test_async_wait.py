"""Async wait: a job hands its work to a third party, and the answer comes before, in time, twice, late or never."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jqjobs import App
from jqjobs.daemon.leases.housekeeping import Housekeeping
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import ResultMissing
from jqjobs.jobs.blame import Scope
from jqjobs.jobs.records import Enqueued, Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.calls.cancels import CancelAnswer, cancel
from jqjobs.store.calls.waits import expect, resolve
from jqjobs.store.store import Store
from store.queue_system import START_MS, QueueSystem, outcome

HOUR_MS = 3_600_000


def taken(system: QueueSystem, *, token: str = "", **job: Any) -> TakenJob:
    """Let the worker "w" have a job "a" in hand, which has recorded a token if one is given."""
    system.add("a", **job)
    [job] = system.take("w")
    if token:
        assert system.run(expect("q", "w", "a", job.attempt, token))
    return job


def settle_waiting(system: QueueSystem, job: TakenJob, backoff_ms: int = 0, worker: str = "w") -> None:
    assert system.settle(worker, job, Kind.WAITING, HOUR_MS, text=str(backoff_ms), line=b"").stale == ()


def waiting(system: QueueSystem, *, token: str = "", backoff_ms: int = 0, **job: Any) -> None:
    """Have a job "a" wait for an hour."""
    settle_waiting(system, taken(system, token=token, **job), backoff_ms)


def answer(system: QueueSystem, token: str = "", job_id: str = "a", **what: Any) -> str:
    word: str = system.run(resolve("q", job_id, token, **what))
    return word


def send(system: QueueSystem, **envelope: Any) -> str:
    """Send an answer through the inbox; return why it was refused, or "" when it was not."""
    before = len(system.rejected())
    system.push(envelope)
    accepted, rejected, *_ = system.ingest()
    assert accepted + rejected == 1
    return system.rejected()[0][0] if len(system.rejected()) > before else ""


# Waiting


def test_a_job_that_waits_occupies_no_worker_and_has_a_deadline(system: QueueSystem) -> None:
    waiting(system, key="k")

    assert system.states("a") == ["waiting"]
    assert system.score("waiting", "a") == START_MS + HOUR_MS
    assert system.active() == {}
    assert system.counters("a") == {}
    assert system.add("b", key="k") == [Enqueued("a", False)]


def test_a_suspect_that_waits_is_cleared(system: QueueSystem) -> None:
    taken(system)
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "suspect 1 2")]))
    system.join("w2")
    [again] = system.trip("w2", 1, suspects=(1, Scope.DAEMON)).jobs
    settle_waiting(system, again, worker="w2")

    assert "suspect" not in system.job("a")


def test_a_limited_job_that_waits_gives_its_place_away(system: QueueSystem) -> None:
    system.add("b", fields=("limits", "c 1 0 one"), due="+1")
    job = taken(system, fields=("limits", "c 1 0 one"))
    system.clock.advance(1)
    assert system.take("w2") == []
    settle_waiting(system, job)

    assert [job.id for job in system.take("w2")] == ["b"]


def test_a_cancelled_job_does_not_begin_to_wait(system: QueueSystem) -> None:
    job = taken(system)
    system.run(cancel("q", ["a"]))
    settle_waiting(system, job)

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "cancelled")


def test_cancelling_a_job_that_waits_is_final_whoever_answers_later(system: QueueSystem) -> None:
    waiting(system, token="secret", backoff_ms=5)
    assert system.run(cancel("q", ["a"])) == [CancelAnswer.CANCELLED]

    assert answer(system, "secret") == "dead"
    assert (system.states("a"), system.ids("waiting")) == (["dead"], [])
    assert not {"token", "answer", "wait_backoff"} & system.job("a").keys()


def test_a_worker_that_dies_before_it_reports_leaves_a_job_that_waits(system: QueueSystem) -> None:
    taken(system, token="secret")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, f"waiting {HOUR_MS}")]))

    assert system.score("waiting", "a") == START_MS + HOUR_MS
    assert system.counters("a") == {}
    assert answer(system, "secret") == "resolved"


@pytest.mark.parametrize(("burst", "is_over"), [("ready", True), ("scheduled", False)])
def test_a_daemon_that_stays_for_what_is_scheduled_stays_for_what_waits(
    system: QueueSystem, burst: str, is_over: bool
) -> None:
    waiting(system)
    keeper = Housekeeping(system.store, DaemonSettings("app:app", system.url, burst=burst))

    assert keeper.is_exhausted(["q"]) is is_over


# Answers


@pytest.mark.parametrize("token", ["", "secret"])
def test_a_result_ends_the_wait_with_a_success(system: QueueSystem, token: str) -> None:
    waiting(system, token="secret", key="k")

    assert answer(system, token, result=b"5") == "resolved"
    assert system.states("a") == []
    assert (
        system.meta("done"),
        system.redis("EXISTS", system.key("job:a")),
        system.redis("HLEN", system.key("unique")),
    ) == (1, 0, 0)


@pytest.mark.parametrize("own", [True, False])
def test_a_kept_job_has_the_result_byte_for_byte(system: QueueSystem, own: bool) -> None:
    if not own:
        system.run(leases.publish("q", 10**6, {"n": {"keep_ms": 5000}}))
    waiting(system, fields=("keep", 5000) if own else ())
    result = b'{"empty": [], "big": 9007199254740993, "text": "\\u00e9\xc3\xa9"}'

    assert answer(system, result=result) == "resolved"
    assert system.score("kept", "a") == START_MS + 5000
    assert system.job("a")["result"].encode("latin-1") == result
    assert system.counters("a") == {"executions": 1}
    assert not {"token", "wait_backoff"} & system.job("a").keys()


def test_an_error_is_a_failure_and_retried_after_the_jobs_own_back_off(system: QueueSystem) -> None:
    waiting(system, backoff_ms=700)
    system.clock.advance(50)

    assert answer(system, error="no such codec") == "resolved"
    assert system.score("scheduled", "a") == START_MS + 750
    assert system.counters("a") == {"failures": 1, "executions": 1}
    assert system.job("a")["error"] == "no such codec"
    [line] = system.history("a")
    assert (line["reason"], line["error"], line["attempt"]) == ("failed", "no such codec", 1)
    assert system.meta("failed") == 1


def test_an_error_at_the_last_attempt_is_the_end(system: QueueSystem) -> None:
    waiting(system, backoff_ms=700, fields=("max_attempts", 1))
    answer(system, error="no")

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "failed")


def test_without_back_off_it_is_ready_again_and_somebody_is_woken(system: QueueSystem) -> None:
    waiting(system)
    system.use_up_token()
    answer(system, error="no")

    assert system.states("a") == ["ready"]
    assert system.wakes()


def test_only_the_recorded_token_is_right(system: QueueSystem) -> None:
    waiting(system, token="secret")

    assert answer(system, "other") == "token"
    assert system.states("a") == ["waiting"]
    assert answer(system, "secret") == "resolved"


def test_a_token_that_nobody_has_recorded_is_wrong(system: QueueSystem) -> None:
    waiting(system)

    assert answer(system, "guess") == "token"
    assert system.states("a") == ["waiting"]


def test_the_second_answer_finds_nobody_who_waits(system: QueueSystem) -> None:
    waiting(system, token="secret", fields=("keep", 5000))
    assert answer(system, "secret", result=b"1") == "resolved"

    assert answer(system, "secret", result=b"2") == "kept"
    assert system.job("a")["result"] == "1"
    assert answer(system, "secret", "ghost") == "unknown"


# Before the job waits


def test_an_answer_before_the_job_has_settled_is_kept_and_applied_by_the_settle(system: QueueSystem) -> None:
    job = taken(system, token="secret", fields=("keep", 5000), key="k")

    assert answer(system, "secret", result=b'{"a": []}') == "early"
    assert system.states("a") == ["active:w"]
    settle_waiting(system, job)
    assert system.states("a") == ["kept"]
    assert system.job("a")["result"] == '{"a": []}'
    assert not {"token", "answer"} & system.job("a").keys()
    assert system.redis("HLEN", system.key("unique")) == 0


def test_an_error_before_the_job_has_settled_is_kept_too(system: QueueSystem) -> None:
    job = taken(system, token="secret")
    assert answer(system, "secret", error="two\nlines") == "early"
    settle_waiting(system, job, 300)

    assert system.score("scheduled", "a") == START_MS + 300
    assert system.job("a")["error"] == "two\nlines"


def test_one_early_answer_is_kept_and_a_second_one_is_told_so(system: QueueSystem) -> None:
    job = taken(system, token="secret", fields=("keep", 5000))
    assert answer(system, "secret", result=b"1") == "early"

    assert answer(system, "secret", result=b"2") == "answered"
    settle_waiting(system, job)
    assert system.job("a")["result"] == "1"


@pytest.mark.parametrize("token", ["", "guess"])
def test_an_unsettled_job_takes_nothing_without_its_token(system: QueueSystem, token: str) -> None:
    taken(system, token="secret")
    before = system.everything()

    assert answer(system, token) == ("active" if token == "" else "token")
    assert system.everything() == before


@pytest.mark.parametrize("token", ["", "guess"])
def test_without_a_recorded_token_an_answer_names_the_state_of_an_unsettled_job(
    system: QueueSystem, token: str
) -> None:
    system.add("a", fields=("max_attempts", 1))
    assert answer(system, token) == "ready"
    [job] = system.take("w")
    assert answer(system, token) == "active"
    system.settle("w", job, Kind.UNKNOWN)
    assert answer(system, token) == "parked"
    system.add("b", due="+5")
    assert answer(system, token, "b") == "scheduled"
    system.run(cancel("q", ["a"]))
    assert answer(system, token) == "dead"


def test_an_early_answer_is_nothing_to_the_next_attempt(system: QueueSystem) -> None:
    job = taken(system, token="first", fields=("keep", 5000))
    answer(system, "first", result=b"1")
    system.settle("w", job, Kind.FAILED)
    assert answer(system, "first", result=b"1") == "ready", "the attempt that gave it away is over"
    [again] = system.take("w")
    assert answer(system, "first", result=b"1") == "active"
    settle_waiting(system, again)

    assert system.states("a") == ["waiting"]
    assert answer(system, "first", result=b"1") == "token"
    assert answer(system, result=b"2") == "resolved"
    assert system.job("a")["result"] == "2"


def test_the_next_attempt_has_a_token_of_its_own(system: QueueSystem) -> None:
    job = taken(system, token="first")
    system.settle("w", job, Kind.FAILED)
    [again] = system.take("w")
    assert system.run(expect("q", "w", "a", 2, "second"))
    assert answer(system, "first") == "token"
    settle_waiting(system, again)

    assert answer(system, "first") == "token"
    assert answer(system, "second") == "resolved"


def test_an_early_answer_counts_also_when_the_worker_dies_before_it_reports(system: QueueSystem) -> None:
    taken(system, token="secret", fields=("keep", 5000))
    answer(system, "secret", result=b"1")
    system.run(leases.leave("q", "w", "killed", [BoardEntry("a", 1, "waiting 5")]))

    assert (system.states("a"), system.job("a")["result"]) == (["kept"], "1")


def test_a_job_that_succeeds_by_itself_needs_no_answer(system: QueueSystem) -> None:
    job = taken(system, token="secret", fields=("keep", 5000))
    answer(system, "secret", result=b"1")
    system.settle("w", job, Kind.KEPT, 5000, line=b"2")

    assert system.job("a")["result"] == "2"
    assert answer(system, "secret") == "kept"


def test_only_the_attempt_that_holds_the_job_records_a_token(system: QueueSystem) -> None:
    job = taken(system)
    for worker, attempt in (("w", 2), ("other", 1)):
        assert not system.run(expect("q", worker, "a", attempt, "secret"))
    assert "token" not in system.job("a")
    assert system.run(expect("q", "w", "a", 1, "secret"))
    system.settle("w", job, Kind.RELEASED)

    assert not system.run(expect("q", "w", "a", 1, "late"))
    assert system.job("a")["token"] == "1 secret"


def test_recording_a_token_twice_loses_no_answer(system: QueueSystem) -> None:
    job = taken(system, token="secret", fields=("keep", 5000))
    answer(system, "secret", result=b"1")
    assert system.run(expect("q", "w", "a", 1, "secret"))
    settle_waiting(system, job)

    assert system.job("a")["result"] == "1"


# The deadline


def test_a_deadline_that_has_passed_is_a_failure_and_retried_like_one(system: QueueSystem) -> None:
    waiting(system, token="secret", backoff_ms=700)
    system.clock.advance(HOUR_MS - 1)
    system.tend()
    assert system.states("a") == ["waiting"]
    system.clock.advance(1)
    system.tend()

    assert system.score("scheduled", "a") == START_MS + HOUR_MS + 700
    assert system.counters("a") == {"failures": 1, "executions": 1}
    [line] = system.history("a")
    assert (line["reason"], line["error"]) == ("deadline", "nobody answered in time")
    assert not {"token", "wait_backoff"} & system.job("a").keys()


def test_a_deadline_at_the_last_attempt_is_the_end(system: QueueSystem) -> None:
    waiting(system, fields=("max_attempts", 1), key="k")
    system.clock.advance(HOUR_MS)
    system.tend()

    assert (system.states("a"), system.job("a")["reason"]) == (["dead"], "deadline")
    assert system.add("b", key="k")[0].created


@pytest.mark.parametrize("token", ["", "secret"])
def test_an_answer_after_the_deadline_is_late_also_when_nobody_has_looked_yet(system: QueueSystem, token: str) -> None:
    waiting(system, token="secret", fields=("keep", 5000))
    system.clock.advance(HOUR_MS)

    assert answer(system, token, result=b"1") == "late"
    assert system.states("a") == ["ready"]
    assert [line["reason"] for line in system.history("a")] == ["deadline"]
    assert answer(system, token, result=b"1") == "ready"


def test_a_guess_after_the_deadline_learns_nothing(system: QueueSystem) -> None:
    waiting(system, token="secret")
    system.clock.advance(HOUR_MS)

    assert answer(system, "guess") == "token"


def test_many_deadlines_are_passed_in_portions(system: QueueSystem) -> None:
    ids = [f"j{n}" for n in range(150)]
    system.add(*ids)
    jobs = system.take("w", 150)
    system.trip("w", 0, [outcome(job, Kind.WAITING, 10, "0", b"") for job in jobs])
    system.clock.advance(10)

    left = [150]
    while system.tend().more:
        left.append(len(system.ids("waiting")))
        assert left[-1] < left[-2]
    assert len(left) > 1
    assert len(system.ids("ready")) == 150


def test_a_damaged_job_does_not_hold_up_other_deadlines(real_system: QueueSystem) -> None:
    real_system.add("a", "b")
    for job in real_system.take("w", 2):
        settle_waiting(real_system, job)
    real_system.redis("HSET", real_system.key("job:a"), "failures", "x")
    real_system.clock.advance(HOUR_MS)
    real_system.tend()

    assert (real_system.ids("dead"), real_system.ids("ready")) == (["a"], ["b"])


# Through the inbox


def test_an_answer_through_the_inbox_needs_the_token(system: QueueSystem) -> None:
    waiting(system, token="secret")
    assert send(system, resolve="a", result=1) == "bad_token: it is not the one that the job has recorded"
    assert send(system, resolve="a", token="guess").startswith("bad_token: ")
    assert system.states("a") == ["waiting"]

    assert send(system, resolve="a", token="secret", result=1) == ""
    assert system.states("a") == []


def test_a_job_that_has_recorded_no_token_is_out_of_reach_of_the_inbox(system: QueueSystem) -> None:
    waiting(system)

    assert send(system, resolve="a").startswith("bad_token: ")
    assert send(system, resolve="a", token="").startswith("bad_token: ")
    assert system.states("a") == ["waiting"]


RESULTS = [
    "5", "-1.50e3", "true", "null", '""', '"a \\"quoted\\" } text"', "[]", "{}", '[ [1, {"result": 2}], "]}" ]',
    '{"a": {"result": "inner"}, "b": []}', "9007199254740993", '"\\\\"', '"\\u00e9\\ud83d\\ude00"', '"gr\xfc\xdfe"',
]  # fmt: skip


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("shape", ['{{"resolve":"a","token":"secret","result":{}}}',
                                   '{{ "result" : {}\n, "token":"secret","resolve" :"a" }}'])  # fmt: skip
def test_the_result_of_an_envelope_is_stored_as_it_came(system: QueueSystem, shape: str, result: str) -> None:
    waiting(system, token="secret", fields=("keep", 5000))
    system.push(shape.format(result).encode())
    assert system.ingest() == (1, 0, 0, 0)

    assert system.job("a")["result"].encode("latin-1").decode() == result


def test_an_envelope_without_a_result_means_null(system: QueueSystem) -> None:
    waiting(system, token="secret", fields=("keep", 5000))
    assert send(system, resolve="a", token="secret") == ""

    assert system.job("a")["result"] == "null"


def test_of_a_result_that_occurs_twice_the_last_one_counts(system: QueueSystem) -> None:
    waiting(system, token="secret", fields=("keep", 5000))
    system.push('{"resolve":"a","token":"secret","result":[1],"result":{"n":2}}')
    system.ingest()

    assert system.job("a")["result"] == '{"n":2}'


def test_an_early_answer_through_the_inbox_is_kept(system: QueueSystem) -> None:
    job = taken(system, token="secret", fields=("keep", 5000))
    assert send(system, resolve="a", token="secret", result={"url": "x"}) == ""
    settle_waiting(system, job)

    assert json.loads(system.job("a")["result"]) == {"url": "x"}


def test_an_error_through_the_inbox_is_a_failure(system: QueueSystem) -> None:
    waiting(system, token="secret")
    assert send(system, resolve="a", token="secret", error="x" * 2000) == ""

    assert (system.states("a"), system.job("a")["error"]) == (["ready"], "x" * 1000)


def refusals() -> list[tuple[dict[str, Any], str]]:
    good = {"resolve": "a", "token": "secret"}
    return [
        (good | {"resolve": "ghost"}, "no_such_job: "),
        (good | {"resolve": "b"}, "not_waiting: the job is scheduled"),
        (good | {"resolve": "a b"}, "bad_name: "),
        (good | {"resolve": 5}, "bad_field: resolve has the wrong type"),
        (good | {"token": 5}, "bad_field: token has the wrong type"),
        (good | {"error": ["x"]}, "bad_field: error has the wrong type"),
        (good | {"error": "x", "result": 1}, "bad_field: result and error exclude each other"),
        (good | {"job": "n"}, "bad_field: unknown key job"),
    ]


@pytest.mark.parametrize(("envelope", "reason"), refusals())
def test_an_answer_that_cannot_be_used_is_rejected_with_its_bytes(
    system: QueueSystem, envelope: dict[str, Any], reason: str
) -> None:
    waiting(system, token="secret")
    system.add("b", due="+5")
    before = system.job("a")

    assert send(system, **envelope).startswith(reason)
    assert json.loads(system.rejected()[0][1]) == envelope
    assert (system.job("a"), system.states("a")) == (before, ["waiting"])


def test_a_late_or_second_answer_through_the_inbox_is_rejected(system: QueueSystem) -> None:
    job = taken(system, token="secret")
    send(system, resolve="a", token="secret")
    assert send(system, resolve="a", token="secret") == "bad_token: it was used already"
    settle_waiting(system, job)
    waiting(system, token="again")
    system.clock.advance(HOUR_MS)
    assert send(system, resolve="a", token="again") == "too_late: the job does not wait any more"


def test_a_key_written_with_escapes_is_no_result(system: QueueSystem) -> None:
    waiting(system, token="secret")
    system.push('{"resolve":"a","token":"secret","r\\u0065sult":5}')
    assert system.ingest() == (0, 1, 0, 0)

    assert system.rejected()[0][0] == "bad_field: result is not written plainly"


def test_jobs_and_answers_in_one_inbox_do_not_disturb_each_other(system: QueueSystem) -> None:
    waiting(system, token="secret")
    system.push({"job": "n", "id": "b"}, {"resolve": "ghost", "token": "x"}, {"resolve": "a", "token": "secret"},
             {"job": "n", "id": "c"})  # fmt: skip

    assert system.ingest() == (3, 1, 0, 0)
    assert (system.ids("ready"), system.meta("done")) == (["b", "c"], 1)


def test_an_answer_for_a_damaged_job_does_not_hold_up_the_inbox(real_system: QueueSystem) -> None:
    waiting(real_system, token="secret")
    real_system.redis("DEL", real_system.key("job:a"))
    real_system.redis("SET", real_system.key("job:a"), "x")
    real_system.push({"resolve": "a", "token": "secret"}, {"job": "n", "id": "b"})

    assert real_system.ingest() == (1, 1, 0, 0)
    assert real_system.rejected()[0][0] == "no_such_job: there is no such job", (
        "what was written over its record is set aside"
    )


# Races, and a full Redis


def test_of_many_answers_at_once_one_is_taken(real_system: QueueSystem, connect: Callable[..., Store]) -> None:
    waiting(real_system, token="secret", fields=("keep", 5000))
    stores = [connect(real_system.url, now_ms=real_system.clock) for _ in range(8)]

    def send_one(n: int) -> str:
        word: str = stores[n].run(resolve("q", "a", "secret", result=str(n).encode()))
        return word

    with ThreadPoolExecutor(8) as pool:
        words = list(pool.map(send_one, range(8)))
    assert sorted(words) == ["kept"] * 7 + ["resolved"]
    assert real_system.job("a")["result"] == str(words.index("resolved"))


def test_an_answer_at_the_moment_of_the_settle_is_never_lost(
    real_system: QueueSystem, connect: Callable[..., Store]
) -> None:
    other = connect(real_system.url, now_ms=real_system.clock)
    ids = [f"j{n}" for n in range(60)]
    real_system.add(*ids, fields=("keep", 5000))
    jobs = real_system.take("w", 60)
    for job in jobs:
        real_system.run(expect("q", "w", job.id, 1, job.id))

    def answer_all() -> set[str]:
        return {other.run(resolve("q", job_id, job_id, result=b"1")) for job_id in reversed(ids)}

    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(answer_all)
        for job in jobs:
            settle_waiting(real_system, job)
        words = answering.result()
    assert words <= {"resolved", "early"}
    assert [real_system.states(job_id) for job_id in ids] == [["kept"]] * 60
    assert {real_system.job(job_id)["result"] for job_id in ids} == {"1"}


def test_a_full_redis_takes_answers_and_tokens(start_server: Callable[..., Any]) -> None:
    system = QueueSystem(start_server("redis").url)
    system.add("a", "b")
    a, b = system.take("w", 2)
    system.redis("CONFIG", "SET", "maxmemory", 1)
    assert system.run(expect("q", "w", "b", 1, "secret"))
    assert answer(system, "secret", "b", result=b"1") == "early"
    settle_waiting(system, a)
    settle_waiting(system, b)

    assert answer(system, result=b"1") == "resolved"
    assert system.meta("done") == 2
    system.store.close()


@pytest.mark.parametrize("result", [b"0x10", b'"\xff"'])
def test_a_result_that_is_no_json_by_the_letter_is_said_to_be_missing(real_system: QueueSystem, result: bytes) -> None:
    """Redis reads envelopes leniently, and nobody else reads them before the one who wants the result."""
    app = App(redis_url=real_system.url)
    waiting(real_system, token="secret", fields=("keep", 5000))
    real_system.push(b'{"resolve":"a","token":"secret","result":' + result + b"}")
    assert real_system.ingest() == (1, 0, 0, 0)
    with pytest.raises(ResultMissing, match="no JSON"):
        app.handle("q/a").result(timeout=0)
    app.client.close()
