"""What a worker counts of its jobs, and what of it is written when."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jqjobs.errors import StoreError, StoreUnavailable
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.statistics import bucket_of
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.call import Call
from jqjobs.worker.slots.job_statistics import WRITE_EVERY_MS, JobStatistics


class Counting:
    """A worker's statistics, and what of them was written: queue, name and growth; and which ends, latest first."""

    def __init__(self) -> None:
        self.running: list[TakenJob] = []
        self.written: list[tuple[str, str, dict[str, int]]] = []
        self.ends: list[tuple[int, str]] = []
        self.error: StoreError | None = None
        self.clock = SimpleNamespace(clock_offset_ms=1_000_000)
        self.statistics = JobStatistics(self.clock, self.look, self.ask, random.Random(1))
        #: What happens while something is counted.
        self.meanwhile: Callable[[], None] = lambda: None

    def look(self) -> list[TakenJob]:
        self.meanwhile()
        return self.running

    def ask(self, call: Call[int]) -> int:
        if self.error is not None:
            raise self.error
        _, ends, *args = call.args
        assert isinstance(ends, int)
        self.ends += zip(args[: 2 * ends : 2], args[1 : 2 * ends : 2], strict=True)  # type: ignore[arg-type]
        args = args[2 * ends :]
        while args:
            name, length, *args = args
            growth, args = dict(zip(args[: 2 * length : 2], args[1 : 2 * length : 2], strict=True)), args[2 * length :]
            self.written.append((call.keys[0].split("}")[0].lstrip("{"), name, growth))
        return 1

    def end(
        self, name: str, *kinds: Kind | None, run_ms: int = 0, started_ms: int = 1000, queue: str = "q",
        job_id: str = "id", **fields: Any,
    ) -> None:  # fmt: skip
        """Let an attempt end in each of these ways, None: a success with nothing to say."""
        for kind in kinds or (None,):
            job = TakenJob(queue, job_id, 1, name, b"{}", started_ms=started_ms, **fields)
            self.statistics.count(job, None if kind is None else Outcome(job, kind), started_ms + run_ms)

    def write(self) -> list[tuple[str, str, dict[str, int]]]:
        """Write what is new, and return it."""
        self.written.clear()
        self.ends.clear()
        self.statistics.write()
        return sorted(self.written, key=lambda item: item[:2])


@pytest.fixture
def counting() -> Counting:
    return Counting()


def test_ends_and_durations_are_counted_by_queue_and_name(counting: Counting) -> None:
    counting.end("a", None, None, run_ms=7)
    counting.end("a", Kind.KEPT, Kind.HUNG, run_ms=40)
    counting.end("b", Kind.WAITING)
    counting.end("a", queue="p", run_ms=10**8)
    assert counting.write() == [
        ("p", "a", {"started": 1, "run_ms": 10**8, "done": 1, "run:21": 1}),
        ("q", "a", {"started": 4, "run_ms": 94, "done": 3, "hung": 1, "run:1": 2, "run:4": 2}),
        ("q", "b", {"started": 1, "waiting": 1, "run:0": 1}),
    ]  # fmt: skip


@pytest.mark.parametrize(("is_last", "word"), [(False, "retried"), (True, "failed")])
def test_a_failure_is_retried_or_the_last_one(counting: Counting, is_last: bool, word: str) -> None:
    job = TakenJob("q", "id", 1, "a", b"{}", started_ms=1)
    counting.statistics.count(job, Outcome.failed(job, delay_ms=1, error="", line=b"", is_last=is_last), 1)
    assert counting.write() == [("q", "a", {"started": 1, word: 1, "run:0": 1})]


@pytest.mark.parametrize("kind", [
    Kind.RELEASED, Kind.UNKNOWN, Kind.MISFIT, Kind.THROTTLED, Kind.MALFORMED, Kind.DEFERRED, Kind.OVERSIZED
])  # fmt: skip
def test_what_did_not_run_is_not_counted(counting: Counting, kind: Kind) -> None:
    counting.end("a", kind)
    assert counting.write() == []


_ATTEMPT = st.tuples(
    st.sampled_from("pq"), st.sampled_from("ab"), st.sampled_from([None, None, Kind.HUNG, Kind.WAITING]),
    st.sampled_from([0, 0, 5]), st.sampled_from([None, -1, 4, 5]),
)  # fmt: skip


@given(st.lists(st.lists(_ATTEMPT, max_size=12), max_size=4))
def test_jobs_that_are_alike_are_counted_and_told_as_if_each_was_alone(
    rounds: list[list[tuple[str, str, Kind | None, int, int | None]]],
) -> None:
    counting, total = Counting(), Counter[tuple[str, str, str]]()
    expected, ends = Counter[tuple[str, str, str]](), 0
    for attempts in rounds:
        for queue, name, kind, run_ms, wait_ms in attempts:
            ready_ms = 0 if wait_ms is None else 2 * 10**9 - wait_ms
            started_ms = 2 * 10**9 - counting.clock.clock_offset_ms
            counting.end(name, kind, run_ms=run_ms, started_ms=started_ms, queue=queue, ready_ms=ready_ms)
            waited_ms = None if wait_ms is None else max(0, wait_ms)
            found = {"started": 1, kind or "done": 1, "run_ms": run_ms, f"run:{bucket_of(run_ms)}": 1}
            if waited_ms is not None:
                found |= {"wait_ms": waited_ms, f"wait:{bucket_of(waited_ms)}": 1}
            expected += Counter({(queue, name, field): n for field, n in found.items()})
            ends += kind is not Kind.WAITING
        for queue, name, growth in counting.write():
            total += Counter({(queue, name, field): n for field, n in growth.items()})
        ends -= len(counting.ends)
    assert (total, ends) == (expected, 0)


def test_a_wait_is_from_ready_to_start_by_the_clock_of_redis(counting: Counting) -> None:
    counting.end("a", ready_ms=1_000_000, started_ms=12, run_ms=100)
    counting.end("a", ready_ms=1_000_000, started_ms=-3, run_ms=100)  # clocks that are read at different moments
    [(_, _, growth)] = counting.write()
    assert (growth["wait_ms"], growth["wait:0"], growth["wait:2"]) == (12, 1, 1)


def test_only_what_has_grown_is_written(counting: Counting) -> None:
    counting.end("a", run_ms=1)
    counting.end("b")
    counting.write()
    assert counting.write() == []
    counting.end("a", run_ms=9)
    assert counting.write() == [("q", "a", {"started": 1, "run_ms": 9, "done": 1, "run:1": 1})]


def test_what_ends_while_others_are_written_and_what_is_like_it_is_written_later(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = 10**9
    monkeypatch.setattr("jqjobs.worker.slots.job_statistics.monotonic_ms", lambda: now_ms)
    counting.end("a")
    looks = iter([lambda: None, lambda: counting.end("b")])  # the second one is in the middle of counting
    counting.meanwhile = lambda: next(looks, lambda: None)()
    for _ in range(3):
        counting.statistics.write_due()
        counting.end("b")
        now_ms += 2 * WRITE_EVERY_MS
    counting.statistics.write_due()
    done = Counter[str]()
    for _, name, growth in counting.written:
        done[name] += growth.get("done", 0)
    assert (done, len(counting.ends)) == ({"a": 1, "b": 4}, 5)


def test_what_runs_has_started_and_is_not_counted_again_at_its_end(counting: Counting) -> None:
    counting.running = [TakenJob("q", "id", 1, "a", b"{}")]
    assert counting.write() == [("q", "a", {"started": 1})]
    counting.running = []
    counting.end("a")
    assert counting.write() == [("q", "a", {"done": 1, "run:0": 1})]


def test_a_queue_is_forgotten_once_all_of_it_has_ended_and_is_written(counting: Counting) -> None:
    for number in range(100):
        counting.end("a", queue=f"q{number}", run_ms=1)
    counting.end("a", queue="r", run_ms=1)
    counting.running = [TakenJob("r", "id", 1, "b", b"{}")]
    counting.write()
    held = (counting.statistics._tallies, counting.statistics._written, counting.statistics._unwritten)
    assert [list(each) for each in held] == [["r"]] * 3
    counting.running = []
    counting.end("b", queue="r", run_ms=1)
    counting.end("a", queue="q0", run_ms=1)
    assert [(queue, name, growth.get("started", 0)) for queue, name, growth in counting.write()] == [
        ("q0", "a", 1), ("r", "b", 0),
    ]  # fmt: skip
    assert [list(each) for each in held] == [[]] * 3


def test_without_redis_nothing_is_lost(counting: Counting) -> None:
    counting.end("a")
    counting.error = StoreUnavailable("no connection")
    assert counting.write() == []
    counting.error = None
    assert counting.write() == [("q", "a", {"started": 1, "done": 1, "run:0": 1})]


def test_what_may_have_arrived_is_not_written_twice(counting: Counting) -> None:
    counting.end("a")
    counting.error = StoreUnavailable("no answer", unanswered=True)
    counting.write()
    counting.error = None
    assert counting.write() == []


def test_a_refusal_is_said_once(counting: Counting, caplog: pytest.LogCaptureFixture) -> None:
    counting.end("a")
    counting.error = StoreError("NOPERM")
    for _ in range(3):
        counting.write()
    assert [record.getMessage() for record in caplog.records] == ["statistics.refused"]


def test_it_is_written_every_ten_seconds_while_there_is_something(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[int] = []
    now_ms = 10**9
    monkeypatch.setattr("jqjobs.worker.slots.job_statistics.monotonic_ms", lambda: now_ms)
    for _ in range(60):
        counting.written.clear()
        counting.end("a", started_ms=now_ms)
        counting.statistics.write_due()
        if counting.written:
            moments.append(now_ms)
        now_ms += 500
    assert [later - earlier for earlier, later in pairwise(moments)] == [WRITE_EVERY_MS] * 2


def test_what_ended_last_is_written_with_its_moment_by_the_clock_of_redis(counting: Counting) -> None:
    counting.end("a", run_ms=7, job_id="slow", ready_ms=1_000_990)
    counting.end("b", Kind.HUNG, started_ms=2000, job_id="hung")
    counting.end("b", started_ms=3000, job_id="first")
    counting.end("b", started_ms=3000, job_id="second")
    counting.end("c", Kind.WAITING, started_ms=4000)
    counting.end("c", Kind.RELEASED, started_ms=4000)
    counting.write()
    assert counting.ends == [
        (1_003_000, "second b done 0 -"),
        (1_003_000, "first b done 0 -"),
        (1_002_000, "hung b hung 0 -"),
        (1_001_007, "slow a done 7 10"),
    ]
    counting.end("b", started_ms=5000, job_id="third")
    counting.write()
    assert counting.ends == [(1_005_000, "third b done 0 -")]


@pytest.mark.parametrize("run_ms", [0, 1], ids=["alike", "each its own"])
def test_of_what_ended_only_the_last_hundred_are_remembered(counting: Counting, run_ms: int) -> None:
    for n in range(250):
        counting.end("a", job_id=str(n), started_ms=1000 + n // 3, run_ms=run_ms)
    counting.write()
    assert [end.split()[0] for _, end in counting.ends] == [str(n) for n in reversed(range(150, 250))]


def test_an_end_that_could_not_be_written_comes_with_the_next(counting: Counting) -> None:
    counting.end("a", job_id="first")
    counting.error = StoreUnavailable("no connection")
    counting.write()
    counting.error = None
    counting.end("b", job_id="second")
    counting.write()
    assert [end.split()[0] for _, end in counting.ends] == ["second", "first"]


def test_what_is_remembered_keeps_no_payload(counting: Counting) -> None:
    job = TakenJob("q", "id", 1, "a", b"{}", started_ms=1)
    payload_holders = sys.getrefcount(job)
    counting.statistics.count(job, None, 1)
    assert sys.getrefcount(job) == payload_holders


def test_that_a_job_has_begun_is_written_with_its_end_unless_it_runs_for_long(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = 10**9
    monkeypatch.setattr("jqjobs.worker.slots.job_statistics.monotonic_ms", lambda: now_ms)

    def starts_written_after(ms: int) -> list[dict[str, int]]:
        nonlocal now_ms
        now_ms += ms
        counting.written.clear()
        counting.statistics.write_due()
        return [growth for _, _, growth in counting.written]

    counting.running = [TakenJob("q", "id", 1, "a", b"{}", started_ms=now_ms)]
    assert starts_written_after(2000) == []
    counting.running = []
    counting.end("a", started_ms=now_ms - 2000, run_ms=2000)
    assert starts_written_after(0) == [{"started": 1, "run_ms": 2000, "done": 1, "run:9": 1}]
    now_ms += 60_000
    counting.running = [TakenJob("q", "id", 1, "a", b"{}", started_ms=now_ms)]
    assert starts_written_after(WRITE_EVERY_MS - 1) == []
    assert starts_written_after(1) == [{"started": 1}]
