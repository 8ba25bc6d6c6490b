"""Async wait: a job hands its work to a third party, and the answer comes before, in time, twice, late or never."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jqjobs import App
from jqjobs.daemon.housekeeping import Housekeeping
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import ResultMissing
from jqjobs.job import Enqueued, Kind, TakenJob
from jqjobs.store import calls
from jqjobs.store.calls import BoardEntry
from jqjobs.store.cancels import Answer, cancel
from jqjobs.store.store import Store
from jqjobs.store.waits import expect, resolve
from store.rig import START_MS, Rig, outcome

HOUR_MS = 3_600_000


def taken(rig: Rig, *, token: str = "", **job: Any) -> TakenJob:
    """Have the worker "w" hold a job "a", which has recorded a token if one is given."""
    rig.add("a", **job)
    [held] = rig.take("w")
    if token:
        assert rig.run(expect("q", "w", "a", held.attempt, token))
    return held


def settle_waiting(rig: Rig, job: TakenJob, backoff_ms: int = 0, worker: str = "w") -> None:
    assert rig.settle(worker, job, Kind.WAITING, HOUR_MS, text=str(backoff_ms), line=b"").stale == ()


def waiting(rig: Rig, *, token: str = "", backoff_ms: int = 0, **job: Any) -> None:
    """Have a job "a" wait for an hour."""
    settle_waiting(rig, taken(rig, token=token, **job), backoff_ms)


def answer(rig: Rig, token: str = "", job_id: str = "a", **what: Any) -> str:
    word: str = rig.run(resolve("q", job_id, token, **what))
    return word


def send(rig: Rig, **envelope: Any) -> str:
    """Send an answer through the inbox; return why it was refused, or "" when it was not."""
    before = len(rig.rejected())
    rig.push(envelope)
    accepted, rejected, *_ = rig.ingest()
    assert accepted + rejected == 1
    return rig.rejected()[0][0] if len(rig.rejected()) > before else ""


# Waiting


def test_a_job_that_waits_occupies_no_worker_and_has_a_deadline(rig: Rig) -> None:
    waiting(rig, key="k")

    assert rig.states("a") == ["waiting"]
    assert rig.score("waiting", "a") == START_MS + HOUR_MS
    assert rig.active() == {}
    assert rig.counters("a") == {}
    assert rig.add("b", key="k") == [Enqueued("a", False)]


def test_a_suspect_that_waits_is_cleared(rig: Rig) -> None:
    taken(rig)
    rig.run(calls.leave("q", "w", "suspect", "killed", [BoardEntry("a", 1, "running")]))
    [again] = rig.take("w2")
    settle_waiting(rig, again, worker="w2")

    assert "suspect" not in rig.job("a")


def test_a_limited_job_that_waits_gives_its_place_away(rig: Rig) -> None:
    rig.add("b", fields=("limits", "c 1 0 one"), due="+1")
    job = taken(rig, fields=("limits", "c 1 0 one"))
    rig.clock.advance(1)
    assert rig.take("w2") == []
    settle_waiting(rig, job)

    assert [job.id for job in rig.take("w2")] == ["b"]


def test_a_cancelled_job_does_not_begin_to_wait(rig: Rig) -> None:
    job = taken(rig)
    rig.run(cancel("q", ["a"]))
    settle_waiting(rig, job)

    assert (rig.states("a"), rig.job("a")["reason"]) == (["dead"], "cancelled")


def test_cancelling_a_job_that_waits_is_final_whoever_answers_later(rig: Rig) -> None:
    waiting(rig, token="secret", backoff_ms=5)
    assert rig.run(cancel("q", ["a"])) == [Answer.CANCELLED]

    assert answer(rig, "secret") == "dead"
    assert (rig.states("a"), rig.ids("waiting")) == (["dead"], [])
    assert not {"token", "answer", "wait_backoff"} & rig.job("a").keys()


def test_a_worker_that_dies_before_it_reports_leaves_a_job_that_waits(rig: Rig) -> None:
    taken(rig, token="secret")
    rig.run(calls.leave("q", "w", "crash", "killed", [BoardEntry("a", 1, f"waiting {HOUR_MS}")]))

    assert rig.score("waiting", "a") == START_MS + HOUR_MS
    assert rig.counters("a") == {}
    assert answer(rig, "secret") == "resolved"


@pytest.mark.parametrize(("burst", "is_over"), [("ready", True), ("scheduled", False)])
def test_a_daemon_that_stays_for_what_is_scheduled_stays_for_what_waits(rig: Rig, burst: str, is_over: bool) -> None:
    waiting(rig)
    keeper = Housekeeping(rig.store, DaemonSettings("app:app", rig.url, burst=burst))

    assert keeper.is_exhausted(["q"]) is is_over


# Answers


@pytest.mark.parametrize("token", ["", "secret"])
def test_a_result_ends_the_wait_with_a_success(rig: Rig, token: str) -> None:
    waiting(rig, token="secret", key="k")

    assert answer(rig, token, result=b"5") == "resolved"
    assert rig.states("a") == []
    assert (rig.meta("done"), rig.redis("EXISTS", rig.key("job:a")), rig.redis("HLEN", rig.key("unique"))) == (1, 0, 0)


@pytest.mark.parametrize("own", [True, False])
def test_a_kept_job_has_the_result_byte_for_byte(rig: Rig, own: bool) -> None:
    if not own:
        rig.run(calls.publish("q", 10**6, {"n": {"keep_ms": 5000}}))
    waiting(rig, fields=("keep", 5000) if own else ())
    result = b'{"empty": [], "big": 9007199254740993, "text": "\\u00e9\xc3\xa9"}'

    assert answer(rig, result=result) == "resolved"
    assert rig.score("kept", "a") == START_MS + 5000
    assert rig.job("a")["result"].encode("latin-1") == result
    assert rig.counters("a") == {"executions": 1}
    assert not {"token", "wait_backoff"} & rig.job("a").keys()


def test_an_error_is_a_failure_and_retried_after_the_jobs_own_back_off(rig: Rig) -> None:
    waiting(rig, backoff_ms=700)
    rig.clock.advance(50)

    assert answer(rig, error="no such codec") == "resolved"
    assert rig.score("scheduled", "a") == START_MS + 750
    assert rig.counters("a") == {"failures": 1, "executions": 1}
    assert rig.job("a")["error"] == "no such codec"
    [line] = rig.history("a")
    assert (line["reason"], line["error"], line["attempt"]) == ("failed", "no such codec", 1)
    assert rig.meta("failed") == 1


def test_an_error_at_the_last_attempt_is_the_end(rig: Rig) -> None:
    waiting(rig, backoff_ms=700, fields=("max_attempts", 1))
    answer(rig, error="no")

    assert (rig.states("a"), rig.job("a")["reason"]) == (["dead"], "failed")


def test_without_back_off_it_is_ready_again_and_somebody_is_woken(rig: Rig) -> None:
    waiting(rig)
    rig.use_up_token()
    answer(rig, error="no")

    assert rig.states("a") == ["ready"]
    assert rig.wakes()


def test_only_the_recorded_token_is_right(rig: Rig) -> None:
    waiting(rig, token="secret")

    assert answer(rig, "other") == "token"
    assert rig.states("a") == ["waiting"]
    assert answer(rig, "secret") == "resolved"


def test_a_token_that_nobody_has_recorded_is_wrong(rig: Rig) -> None:
    waiting(rig)

    assert answer(rig, "guess") == "token"
    assert rig.states("a") == ["waiting"]


def test_the_second_answer_finds_nobody_who_waits(rig: Rig) -> None:
    waiting(rig, token="secret", fields=("keep", 5000))
    assert answer(rig, "secret", result=b"1") == "resolved"

    assert answer(rig, "secret", result=b"2") == "kept"
    assert rig.job("a")["result"] == "1"
    assert answer(rig, "secret", "ghost") == "unknown"


# Before the job waits


def test_an_answer_before_the_job_has_settled_is_kept_and_applied_by_the_settle(rig: Rig) -> None:
    job = taken(rig, token="secret", fields=("keep", 5000), key="k")

    assert answer(rig, "secret", result=b'{"a": []}') == "early"
    assert rig.states("a") == ["active:w"]
    settle_waiting(rig, job)
    assert rig.states("a") == ["kept"]
    assert rig.job("a")["result"] == '{"a": []}'
    assert not {"token", "answer"} & rig.job("a").keys()
    assert rig.redis("HLEN", rig.key("unique")) == 0


def test_an_error_before_the_job_has_settled_is_kept_too(rig: Rig) -> None:
    job = taken(rig, token="secret")
    assert answer(rig, "secret", error="two\nlines") == "early"
    settle_waiting(rig, job, 300)

    assert rig.score("scheduled", "a") == START_MS + 300
    assert rig.job("a")["error"] == "two\nlines"


def test_one_early_answer_is_kept_and_a_second_one_is_told_so(rig: Rig) -> None:
    job = taken(rig, token="secret", fields=("keep", 5000))
    assert answer(rig, "secret", result=b"1") == "early"

    assert answer(rig, "secret", result=b"2") == "answered"
    settle_waiting(rig, job)
    assert rig.job("a")["result"] == "1"


@pytest.mark.parametrize("token", ["", "guess"])
def test_an_unsettled_job_takes_nothing_without_its_token(rig: Rig, token: str) -> None:
    taken(rig, token="secret")
    before = rig.everything()

    assert answer(rig, token) == ("active" if token == "" else "token")
    assert rig.everything() == before


@pytest.mark.parametrize("token", ["", "guess"])
def test_without_a_recorded_token_an_answer_names_the_state_of_an_unsettled_job(rig: Rig, token: str) -> None:
    rig.add("a", fields=("max_attempts", 1))
    assert answer(rig, token) == "ready"
    [job] = rig.take("w")
    assert answer(rig, token) == "active"
    rig.settle("w", job, Kind.UNKNOWN)
    assert answer(rig, token) == "parked"
    rig.add("b", due="+5")
    assert answer(rig, token, "b") == "scheduled"
    rig.run(cancel("q", ["a"]))
    assert answer(rig, token) == "dead"


def test_an_early_answer_is_nothing_to_the_next_attempt(rig: Rig) -> None:
    job = taken(rig, token="first", fields=("keep", 5000))
    answer(rig, "first", result=b"1")
    rig.settle("w", job, Kind.FAILED)
    assert answer(rig, "first", result=b"1") == "ready", "the attempt that gave it away is over"
    [again] = rig.take("w")
    assert answer(rig, "first", result=b"1") == "active"
    settle_waiting(rig, again)

    assert rig.states("a") == ["waiting"]
    assert answer(rig, "first", result=b"1") == "token"
    assert answer(rig, result=b"2") == "resolved"
    assert rig.job("a")["result"] == "2"


def test_the_next_attempt_has_a_token_of_its_own(rig: Rig) -> None:
    job = taken(rig, token="first")
    rig.settle("w", job, Kind.FAILED)
    [again] = rig.take("w")
    assert rig.run(expect("q", "w", "a", 2, "second"))
    assert answer(rig, "first") == "token"
    settle_waiting(rig, again)

    assert answer(rig, "first") == "token"
    assert answer(rig, "second") == "resolved"


def test_an_early_answer_counts_also_when_the_worker_dies_before_it_reports(rig: Rig) -> None:
    taken(rig, token="secret", fields=("keep", 5000))
    answer(rig, "secret", result=b"1")
    rig.run(calls.leave("q", "w", "crash", "killed", [BoardEntry("a", 1, "waiting 5")]))

    assert (rig.states("a"), rig.job("a")["result"]) == (["kept"], "1")


def test_a_job_that_succeeds_by_itself_needs_no_answer(rig: Rig) -> None:
    job = taken(rig, token="secret", fields=("keep", 5000))
    answer(rig, "secret", result=b"1")
    rig.settle("w", job, Kind.KEPT, 5000, line=b"2")

    assert rig.job("a")["result"] == "2"
    assert answer(rig, "secret") == "kept"


def test_only_the_attempt_that_holds_the_job_records_a_token(rig: Rig) -> None:
    job = taken(rig)
    for worker, attempt in (("w", 2), ("other", 1)):
        assert not rig.run(expect("q", worker, "a", attempt, "secret"))
    assert "token" not in rig.job("a")
    assert rig.run(expect("q", "w", "a", 1, "secret"))
    rig.settle("w", job, Kind.RELEASED)

    assert not rig.run(expect("q", "w", "a", 1, "late"))
    assert rig.job("a")["token"] == "1 secret"


def test_recording_a_token_twice_loses_no_answer(rig: Rig) -> None:
    job = taken(rig, token="secret", fields=("keep", 5000))
    answer(rig, "secret", result=b"1")
    assert rig.run(expect("q", "w", "a", 1, "secret"))
    settle_waiting(rig, job)

    assert rig.job("a")["result"] == "1"


# The deadline


def test_a_deadline_that_has_passed_is_a_failure_and_retried_like_one(rig: Rig) -> None:
    waiting(rig, token="secret", backoff_ms=700)
    rig.clock.advance(HOUR_MS - 1)
    rig.tend()
    assert rig.states("a") == ["waiting"]
    rig.clock.advance(1)
    rig.tend()

    assert rig.score("scheduled", "a") == START_MS + HOUR_MS + 700
    assert rig.counters("a") == {"failures": 1, "executions": 1}
    [line] = rig.history("a")
    assert (line["reason"], line["error"]) == ("deadline", "nobody answered in time")
    assert not {"token", "wait_backoff"} & rig.job("a").keys()


def test_a_deadline_at_the_last_attempt_is_the_end(rig: Rig) -> None:
    waiting(rig, fields=("max_attempts", 1), key="k")
    rig.clock.advance(HOUR_MS)
    rig.tend()

    assert (rig.states("a"), rig.job("a")["reason"]) == (["dead"], "deadline")
    assert rig.add("b", key="k")[0].created


@pytest.mark.parametrize("token", ["", "secret"])
def test_an_answer_after_the_deadline_is_late_also_when_nobody_has_looked_yet(rig: Rig, token: str) -> None:
    waiting(rig, token="secret", fields=("keep", 5000))
    rig.clock.advance(HOUR_MS)

    assert answer(rig, token, result=b"1") == "late"
    assert rig.states("a") == ["ready"]
    assert [line["reason"] for line in rig.history("a")] == ["deadline"]
    assert answer(rig, token, result=b"1") == "ready"


def test_a_guess_after_the_deadline_learns_nothing(rig: Rig) -> None:
    waiting(rig, token="secret")
    rig.clock.advance(HOUR_MS)

    assert answer(rig, "guess") == "token"


def test_many_deadlines_are_passed_in_portions(rig: Rig) -> None:
    ids = [f"j{n}" for n in range(150)]
    rig.add(*ids)
    jobs = rig.take("w", 150)
    rig.trip("w", 0, [outcome(job, Kind.WAITING, 10, "0", b"") for job in jobs])
    rig.clock.advance(10)

    assert rig.tend().more
    assert len(rig.ids("waiting")) == 50
    assert not rig.tend().more
    assert len(rig.ids("ready")) == 150


def test_a_damaged_job_does_not_hold_up_other_deadlines(real_rig: Rig) -> None:
    real_rig.add("a", "b")
    for job in real_rig.take("w", 2):
        settle_waiting(real_rig, job)
    real_rig.redis("HSET", real_rig.key("job:a"), "failures", "x")
    real_rig.clock.advance(HOUR_MS)
    real_rig.tend()

    assert (real_rig.ids("dead"), real_rig.ids("ready")) == (["a"], ["b"])


# Through the inbox


def test_an_answer_through_the_inbox_needs_the_token(rig: Rig) -> None:
    waiting(rig, token="secret")
    assert send(rig, resolve="a", result=1) == "bad_token: it is not the one that the job has recorded"
    assert send(rig, resolve="a", token="guess").startswith("bad_token: ")
    assert rig.states("a") == ["waiting"]

    assert send(rig, resolve="a", token="secret", result=1) == ""
    assert rig.states("a") == []


def test_a_job_that_has_recorded_no_token_is_out_of_reach_of_the_inbox(rig: Rig) -> None:
    waiting(rig)

    assert send(rig, resolve="a").startswith("bad_token: ")
    assert send(rig, resolve="a", token="").startswith("bad_token: ")
    assert rig.states("a") == ["waiting"]


RESULTS = [
    "5", "-1.50e3", "true", "null", '""', '"a \\"quoted\\" } text"', "[]", "{}", '[ [1, {"result": 2}], "]}" ]',
    '{"a": {"result": "inner"}, "b": []}', "9007199254740993", '"\\\\"', '"\\u00e9\\ud83d\\ude00"', '"gr\xfc\xdfe"',
]  # fmt: skip


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("shape", ['{{"resolve":"a","token":"secret","result":{}}}',
                                   '{{ "result" : {}\n, "token":"secret","resolve" :"a" }}'])  # fmt: skip
def test_the_result_of_an_envelope_is_stored_as_it_came(rig: Rig, shape: str, result: str) -> None:
    waiting(rig, token="secret", fields=("keep", 5000))
    rig.push(shape.format(result).encode())
    assert rig.ingest() == (1, 0, 0, 0)

    assert rig.job("a")["result"].encode("latin-1").decode() == result


def test_an_envelope_without_a_result_means_null(rig: Rig) -> None:
    waiting(rig, token="secret", fields=("keep", 5000))
    assert send(rig, resolve="a", token="secret") == ""

    assert rig.job("a")["result"] == "null"


def test_of_a_result_that_occurs_twice_the_last_one_counts(rig: Rig) -> None:
    waiting(rig, token="secret", fields=("keep", 5000))
    rig.push('{"resolve":"a","token":"secret","result":[1],"result":{"n":2}}')
    rig.ingest()

    assert rig.job("a")["result"] == '{"n":2}'


def test_an_early_answer_through_the_inbox_is_kept(rig: Rig) -> None:
    job = taken(rig, token="secret", fields=("keep", 5000))
    assert send(rig, resolve="a", token="secret", result={"url": "x"}) == ""
    settle_waiting(rig, job)

    assert json.loads(rig.job("a")["result"]) == {"url": "x"}


def test_an_error_through_the_inbox_is_a_failure(rig: Rig) -> None:
    waiting(rig, token="secret")
    assert send(rig, resolve="a", token="secret", error="x" * 2000) == ""

    assert (rig.states("a"), rig.job("a")["error"]) == (["ready"], "x" * 1000)


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
    rig: Rig, envelope: dict[str, Any], reason: str
) -> None:
    waiting(rig, token="secret")
    rig.add("b", due="+5")
    before = rig.job("a")

    assert send(rig, **envelope).startswith(reason)
    assert json.loads(rig.rejected()[0][1]) == envelope
    assert (rig.job("a"), rig.states("a")) == (before, ["waiting"])


def test_a_late_or_second_answer_through_the_inbox_is_rejected(rig: Rig) -> None:
    job = taken(rig, token="secret")
    send(rig, resolve="a", token="secret")
    assert send(rig, resolve="a", token="secret") == "bad_token: it was used already"
    settle_waiting(rig, job)
    waiting(rig, token="again")
    rig.clock.advance(HOUR_MS)
    assert send(rig, resolve="a", token="again") == "too_late: the job does not wait any more"


def test_a_key_written_with_escapes_is_no_result(rig: Rig) -> None:
    waiting(rig, token="secret")
    rig.push('{"resolve":"a","token":"secret","r\\u0065sult":5}')
    assert rig.ingest() == (0, 1, 0, 0)

    assert rig.rejected()[0][0] == "bad_field: result is not written plainly"


def test_jobs_and_answers_in_one_inbox_do_not_disturb_each_other(rig: Rig) -> None:
    waiting(rig, token="secret")
    rig.push({"job": "n", "id": "b"}, {"resolve": "ghost", "token": "x"}, {"resolve": "a", "token": "secret"},
             {"job": "n", "id": "c"})  # fmt: skip

    assert rig.ingest() == (3, 1, 0, 0)
    assert (rig.ids("ready"), rig.meta("done")) == (["b", "c"], 1)


def test_an_answer_for_a_damaged_job_does_not_hold_up_the_inbox(real_rig: Rig) -> None:
    waiting(real_rig, token="secret")
    real_rig.redis("DEL", real_rig.key("job:a"))
    real_rig.redis("SET", real_rig.key("job:a"), "x")
    real_rig.push({"resolve": "a", "token": "secret"}, {"job": "n", "id": "b"})

    assert real_rig.ingest() == (1, 1, 0, 0)
    assert real_rig.rejected()[0][0] == "not_waiting: the record of the job is damaged"


# Races, and a full Redis


def test_of_many_answers_at_once_one_is_taken(real_rig: Rig, connect: Callable[..., Store]) -> None:
    waiting(real_rig, token="secret", fields=("keep", 5000))
    stores = [connect(real_rig.url, now_ms=real_rig.clock) for _ in range(8)]

    def send_one(n: int) -> str:
        word: str = stores[n].run(resolve("q", "a", "secret", result=str(n).encode()))
        return word

    with ThreadPoolExecutor(8) as pool:
        words = list(pool.map(send_one, range(8)))
    assert sorted(words) == ["kept"] * 7 + ["resolved"]
    assert real_rig.job("a")["result"] == str(words.index("resolved"))


def test_an_answer_at_the_moment_of_the_settle_is_never_lost(real_rig: Rig, connect: Callable[..., Store]) -> None:
    other = connect(real_rig.url, now_ms=real_rig.clock)
    ids = [f"j{n}" for n in range(60)]
    real_rig.add(*ids, fields=("keep", 5000))
    jobs = real_rig.take("w", 60)
    for job in jobs:
        real_rig.run(expect("q", "w", job.id, 1, job.id))

    def answer_all() -> set[str]:
        return {other.run(resolve("q", job_id, job_id, result=b"1")) for job_id in reversed(ids)}

    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(answer_all)
        for job in jobs:
            settle_waiting(real_rig, job)
        words = answering.result()
    assert words <= {"resolved", "early"}
    assert [real_rig.states(job_id) for job_id in ids] == [["kept"]] * 60
    assert {real_rig.job(job_id)["result"] for job_id in ids} == {"1"}


def test_a_full_redis_takes_answers_and_tokens(start_server: Callable[..., Any]) -> None:
    rig = Rig(start_server("redis").url)
    rig.add("a", "b")
    a, b = rig.take("w", 2)
    rig.redis("CONFIG", "SET", "maxmemory", 1)
    assert rig.run(expect("q", "w", "b", 1, "secret"))
    assert answer(rig, "secret", "b", result=b"1") == "early"
    settle_waiting(rig, a)
    settle_waiting(rig, b)

    assert answer(rig, result=b"1") == "resolved"
    assert rig.meta("done") == 2
    rig.store.close()


@pytest.mark.parametrize("result", [b"0x10", b'"\xff"'])
def test_a_result_that_is_no_json_by_the_letter_is_said_to_be_missing(real_rig: Rig, result: bytes) -> None:
    """Redis reads envelopes leniently, and nobody else reads them before the one who wants the result."""
    app = App(redis_url=real_rig.url)
    waiting(real_rig, token="secret", fields=("keep", 5000))
    real_rig.push(b'{"resolve":"a","token":"secret","result":' + result + b"}")
    assert real_rig.ingest() == (1, 0, 0, 0)
    with pytest.raises(ResultMissing, match="no JSON"):
        app.handle("q/a").result(timeout=0)
    app.client.close()
