"""lua/note.lua and worker/notes.py: what running jobs say, who is heard, and how often it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jqjobs.errors import Conflict
from jqjobs.jobs.context import JobContext
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.store.calls import job_notes
from jqjobs.store.reads.jobs import JobInfo, job_info
from jqjobs.store.reads.notes import LogLine
from jqjobs.store.reads.registry import DaemonInfo, Registry, RunningJob, WorkerInfo, with_progress
from jqjobs.worker.attempts import note_writer as notes_module
from jqjobs.worker.attempts.note_writer import NoteWriter
from store.queue_system import START_MS, QueueSystem


def say(system: QueueSystem, *lines: str, progress: bytes = b"", worker: str = "w", attempt: int = 1) -> bool:
    opened = [json.dumps({"text": line}).encode()[:-1] for line in lines]
    return bool(system.run(job_notes.note("q", worker, "a", attempt, progress, opened)))


def read(system: QueueSystem) -> JobInfo:
    info = system.run(job_info("q", "a"))
    assert isinstance(info, JobInfo)
    return info


@pytest.fixture
def taken(system: QueueSystem) -> QueueSystem:
    """A system on which the worker w has the job a in hand."""
    system.add("a", fields=("keep", 100_000))
    system.take()
    return system


def test_progress_is_stored_with_its_attempt_and_the_time_of_redis(taken: QueueSystem) -> None:
    assert say(taken, progress=b'{"percent":40,"text":"resizing"')
    assert read(taken).progress == {"percent": 40, "text": "resizing", "attempt": 1, "at_ms": START_MS}


def test_the_last_word_on_progress_counts(taken: QueueSystem) -> None:
    for percent in (b"1", b"2"):
        say(taken, progress=b'{"percent":' + percent)
    assert read(taken).progress["percent"] == 2


def test_lines_are_added_in_order(taken: QueueSystem) -> None:
    say(taken, "one\ntwo", "three")
    taken.clock.advance(5)
    say(taken, 'fo"ur')
    assert read(taken).log == (
        LogLine(1, "one\ntwo", START_MS), LogLine(1, "three", START_MS), LogLine(1, 'fo"ur', START_MS + 5),
    )  # fmt: skip


def test_the_last_hundred_lines_stay(taken: QueueSystem) -> None:
    for n in range(0, 130, 10):
        say(taken, *(str(n + i) for i in range(10)))
    assert [line.text for line in read(taken).log] == [str(n) for n in range(30, 130)]


def test_the_log_is_bounded_in_bytes_too(taken: QueueSystem) -> None:
    for n in range(40):
        say(taken, f"{n} " + "x" * 990)
    log = read(taken).log
    assert len(taken.job("a")["log"]) <= 16384
    assert 10 < len(log) < 17
    assert log[-1].text.startswith("39 ")


def test_one_line_above_the_bound_leaves_nothing_rather_than_half_of_it(taken: QueueSystem) -> None:
    say(taken, "y" * 20_000)
    assert read(taken).log == ()


@pytest.mark.parametrize(("worker", "attempt"), [("w", 2), ("x", 1)])
def test_only_the_attempt_that_holds_the_job_is_heard(taken: QueueSystem, worker: str, attempt: int) -> None:
    before = taken.everything()
    assert not say(taken, "x", progress=b'{"percent":1', worker=worker, attempt=attempt)
    assert taken.everything() == before


def test_a_later_attempt_adds_to_the_log_and_a_success_keeps_it(system: QueueSystem) -> None:
    system.add("a")
    [job] = system.take()
    say(system, "first")
    system.settle("w", job, Kind.FAILED)
    [job] = system.take()
    say(system, "second", attempt=2)
    system.settle("w", job, Kind.KEPT, 1000, line=b"1")
    assert [(line.attempt, line.text) for line in read(system).log] == [(1, "first"), (2, "second")]


def test_nothing_is_left_of_what_a_job_said_that_is_not_kept(taken: QueueSystem) -> None:
    say(taken, "x", progress=b'{"percent":1')
    taken.trip("w", 0, [Outcome.done(TakenJob("q", "a", 1, "n", b""))])
    assert taken.redis("KEYS", taken.key("job:*")) == []


def test_a_job_can_speak_when_redis_is_full(real_system: QueueSystem) -> None:
    real_system.add("a")
    real_system.take()
    real_system.redis("CONFIG", "SET", "maxmemory", "1")
    try:
        assert say(real_system, "x", progress=b'{"percent":1')
    finally:
        real_system.redis("CONFIG", "SET", "maxmemory", "0")


def test_status_tells_the_progress_of_the_attempt_that_runs_and_no_other(taken: QueueSystem) -> None:
    say(taken, progress=b'{"percent":40,"text":"resizing"')

    def told(*jobs: RunningJob) -> list[Any]:
        worker = WorkerInfo("w", 1, "busy", jobs, None, None)
        daemon = DaemonInfo("d", "d", "h", 1, "running", "", ("q",), (worker,), 1, "", None, 0)
        [worker] = with_progress(taken.store, Registry(START_MS, (daemon,))).daemons[0].workers
        return [job.progress and job.progress["percent"] for job in worker.jobs]

    running = RunningJob("a", "n", "q", 1, 0.5)
    others = (running._replace(attempt=2), running._replace(id="b"), running._replace(queue=""))
    assert told(running, *others) == [40, None, None, None]
    assert told() == []


# The worker's side


class Speaker:
    """A worker's `NoteWriter` on the job a, and a clock to move."""

    def __init__(self, system: QueueSystem, monkeypatch: pytest.MonkeyPatch) -> None:
        self.system = system
        self.now_ms = 1_000_000
        monkeypatch.setattr(notes_module, "monotonic_ms", lambda: self.now_ms)
        self.notes = NoteWriter(system.store, "w")
        self.job = JobContext("a", "q", "n", 1, 0, "w", _reporter=self.notes)

    @property
    def percent(self) -> float | None:
        progress = read(self.system).progress
        return None if progress is None else float(progress["percent"])

    @property
    def lines(self) -> list[str]:
        return [line.text for line in read(self.system).log]


@pytest.fixture
def speaker(taken: QueueSystem, monkeypatch: pytest.MonkeyPatch) -> Iterator[Speaker]:
    return Speaker(taken, monkeypatch)


def test_what_a_job_says_is_written_by_the_next_look_and_then_a_few_times_a_second(speaker: Speaker) -> None:
    speaker.job.progress(1, "a")
    assert speaker.percent is None
    written = []
    for n in range(100):  # a second, looked at every 10 ms
        speaker.job.progress(n)
        speaker.notes.write_due()
        speaker.now_ms += 10
        if not written or speaker.percent != written[-1]:
            written.append(speaker.percent)
    assert len(written) == 4


def test_the_last_word_is_written_although_nothing_follows_it(speaker: Speaker) -> None:
    speaker.job.progress(1)
    speaker.notes.write_due()
    speaker.job.progress(2)
    speaker.notes.write_due()
    assert speaker.percent == 1
    speaker.now_ms += 1000
    speaker.notes.write_due()
    assert speaker.percent == 2
    assert not speaker.notes.pending


def test_lines_wait_together_and_none_of_the_last_hundred_is_lost(speaker: Speaker) -> None:
    for n in range(150):
        speaker.job.log(f"line {n}")
    speaker.notes.write()
    assert speaker.lines == [f"line {n}" for n in range(50, 150)]


def test_what_is_said_is_bounded_and_always_storable(speaker: Speaker) -> None:
    speaker.job.progress(33.3, "t" * 1000)
    speaker.job.log("\ud800" + "x" * 5000)
    speaker.job.log(ValueError("boom"))  # type: ignore[arg-type]
    speaker.notes.write()
    assert (speaker.percent, len(read(speaker.system).progress["text"])) == (33.3, 200)
    first, second = speaker.lines
    assert first.startswith("\\ud800x")
    assert len(first) < 1100
    assert second == "boom"


def test_what_is_to_be_forgotten_is_not_written(speaker: Speaker) -> None:
    speaker.job.progress(1)
    speaker.job.log("x")
    speaker.notes.forget(TakenJob("q", "a", 1, "n", b""))
    assert not speaker.notes.pending
    speaker.notes.write()
    assert (speaker.percent, speaker.lines) == (None, [])


def test_what_one_job_forgets_another_one_has_still_said(taken: QueueSystem) -> None:
    taken.add("b", fields=("keep", 100_000))
    taken.take()
    notes = NoteWriter(taken.store, "w", slots=2)
    speaking = [JobContext(job_id, "q", "n", 1, 0, "w", _reporter=notes) for job_id in "ab"]
    for job in speaking:
        job.progress(50, job.id)
        job.log(f"I am {job.id}")
    over, other = (TakenJob("q", job_id, 1, "n", b"") for job_id in "ab")
    notes.forget(over)
    assert (notes.has(other), notes.pending) == (True, True)
    notes.write()
    assert [taken.run(job_info("q", job_id)).progress is None for job_id in "ab"] == [True, False]
    assert [line.text for line in taken.run(job_info("q", "b")).log] == ["I am b"]
    assert not notes.has(other)
    assert speaking[0].wait_token() != speaking[1].wait_token()
    assert speaking[0].wait_token() == speaking[0].wait_token()


def test_what_is_just_being_written_is_still_to_be_waited_for(speaker: Speaker) -> None:
    seen: list[tuple[bool, bool, bool]] = []
    mine, other = (TakenJob("q", job_id, 1, "n", b"") for job_id in "ab")

    class Slow:
        def run_all(self, calls: object) -> None:
            seen.append((speaker.notes.pending, speaker.notes.has(mine), speaker.notes.has(other)))

    speaker.notes._store = Slow()  # type: ignore[assignment]
    speaker.job.progress(1)
    speaker.notes.write()
    speaker.job.log("x")
    speaker.notes.write()
    assert seen == [(True, True, False)] * 2
    assert not speaker.notes.pending


def test_what_could_not_be_written_is_not_waited_for(speaker: Speaker) -> None:
    class Broken:
        def run_all(self, calls: object) -> None:
            raise MemoryError

    speaker.notes._store = Broken()  # type: ignore[assignment]
    speaker.job.progress(1)
    with pytest.raises(MemoryError):
        speaker.notes.write()
    assert not speaker.notes.pending


def test_without_redis_it_is_dropped_said_once_and_not_tried_for_a_while(
    speaker: Speaker, caplog: pytest.LogCaptureFixture
) -> None:
    speaker.notes._store = QueueSystem("unix:///nowhere/at/all").store
    for _ in range(3):
        speaker.job.log("lost")
        speaker.notes.write()
        speaker.now_ms += 1000
    assert [record.getMessage() for record in caplog.records] == ["notes.lost"]
    assert not speaker.notes.pending
    speaker.notes._store = speaker.system.store
    speaker.now_ms += 5000
    speaker.job.log("heard")
    speaker.notes.write()
    assert speaker.lines == ["heard"]


def test_a_token_is_recorded_once_for_each_attempt(taken: QueueSystem) -> None:
    notes = NoteWriter(taken.store, "w")
    first = JobContext("a", "q", "n", 1, 0, "w", _reporter=notes)
    token = first.wait_token()
    assert taken.job("a")["token"] == f"1 {token}"
    assert (first.wait_token(), len(token)) == (token, 24)
    taken.trip("w", 0, in_hand=[])
    taken.take("w")
    second = JobContext("a", "q", "n", 2, 0, "w", _reporter=notes).wait_token()
    assert taken.job("a")["token"] == f"2 {second}"
    assert second != token


def test_an_attempt_that_lost_its_job_gets_no_token(taken: QueueSystem) -> None:
    notes = NoteWriter(taken.store, "w")
    taken.trip("w", 0, in_hand=[])
    with pytest.raises(Conflict, match="does not hold q/a"):
        notes.wait_token(JobContext("a", "q", "n", 1, 0, "w"))
    assert "token" not in taken.job("a")


def test_outside_of_a_worker_a_token_is_only_a_word() -> None:
    assert len(JobContext("a", "q", "n", 1, 0, "w").wait_token()) == 24
