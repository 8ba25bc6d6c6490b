"""Before a job that says how much memory it needs: the worker asks its daemon, and waits for the answer."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jqjobs.jobs import not_run
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.channel import Channel
from jqjobs.worker.life import memory_grants
from jqjobs.worker.life.instructions import Instructions
from jqjobs.worker.life.memory_grants import MemoryGrants, RoomAnswer

MIB = 1 << 20


class Asker:
    """A worker's side of the control socket; what happens while it waits, and the clock, are what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        this: Any = self
        ours, theirs = socket.socketpair()
        self.daemon, self.channel = Channel(ours), Channel(theirs)
        self.instructions = Instructions(self.channel, this)
        self.now_ms = 1_000_000
        self.waits_s: list[float] = []
        self._events: Iterator[Callable[[], object]] = iter(())
        monkeypatch.setattr(memory_grants, "monotonic_ms", lambda: self.now_ms)
        self.grants = MemoryGrants(self.instructions, this, this, random.Random(1), jitter=0.25)

    def wait_for_word(self, timeout_s: float) -> None:
        self.waits_s.append(timeout_s)
        happens = next(self._events, None)
        if happens is None:
            self.now_ms += round(timeout_s * 1000)
        else:
            happens()

    def oversized(self, job: TakenJob, most_bytes: int) -> Outcome:
        """Stand in for the classifier."""
        return not_run.oversized(job, error=f"{most_bytes}", line=b"")

    def ask(self, *then: Callable[[], object]) -> RoomAnswer:
        """Ask for 5 MiB for the job "mine"; at each wait the next of ``then`` happens, at the last of all nothing."""
        self._events = iter(then)
        return self.grants.ask("mine", 5 * MIB)

    def refusal(self, *then: Callable[[], object]) -> Outcome | None:
        """The same, for how the job ends."""
        self._events = iter(then)
        return self.grants.refusal(TakenJob("q", "mine", 1, "large", b"{}", memory_bytes=5 * MIB))

    def asked(self) -> list[dict[str, Any]]:
        """What the daemon has heard since it was last looked at."""
        return self.daemon.receive()

    def answer(self, job_id: str, answer: str, **more: int) -> Callable[[], None]:
        return lambda: self.daemon.send("room", job=job_id, answer=answer, **more)

    def close(self) -> None:
        self.daemon.close()
        self.channel.close()


@pytest.fixture
def asker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asker]:
    made = Asker(monkeypatch)
    yield made
    made.close()


@pytest.mark.parametrize("answer", list(RoomAnswer))
def test_the_answer_of_the_daemon_counts(asker: Asker, answer: RoomAnswer) -> None:
    assert asker.ask(asker.answer("mine", answer.value)) is answer
    assert asker.asked() == [{"event": "room", "job": "mine", "need_bytes": 5 * MIB}]


def test_never_comes_with_how_much_could_be_had(asker: Asker) -> None:
    asker.ask(asker.answer("mine", "never", most_bytes=4711))
    assert asker.instructions.room_bytes == 4711


def test_a_late_answer_about_another_job_is_no_answer(asker: Asker) -> None:
    asker.daemon.send("room", job="other", answer="never")
    assert asker.ask(asker.answer("other", "granted"), asker.answer("mine", "later")) is RoomAnswer.LATER
    assert len(asker.waits_s) == 2


def test_other_words_of_the_daemon_are_heard_while_waiting(asker: Asker) -> None:
    def quiet() -> None:
        asker.daemon.send("quiet")
        asker.daemon.send("memory")

    assert asker.ask(quiet, lambda: None, asker.answer("mine", "granted")) is RoomAnswer.GRANTED
    assert asker.instructions.is_quiet


def test_an_answer_is_used_once(asker: Asker) -> None:
    asker.ask(asker.answer("mine", "granted"))
    assert asker.ask() is RoomAnswer.LATER


def test_a_daemon_that_says_nothing_for_five_seconds_means_later(asker: Asker) -> None:
    def a_second_passes() -> None:
        asker.now_ms += 1000

    assert asker.ask(a_second_passes, a_second_passes) is RoomAnswer.LATER
    assert asker.waits_s == [5, 4, 3]


def test_the_end_of_the_daemon_means_later_at_once(asker: Asker) -> None:
    asked_ms = asker.now_ms
    assert asker.ask(asker.daemon.close, lambda: None) is RoomAnswer.LATER
    assert asker.now_ms == asked_ms


def test_a_job_that_has_room_is_not_refused(asker: Asker) -> None:
    assert asker.refusal(asker.answer("mine", "granted")) is None


def test_a_job_that_has_no_room_now_comes_up_again_in_about_two_seconds(asker: Asker) -> None:
    outcome = asker.refusal(asker.answer("mine", "later"))
    assert outcome is not None
    assert (outcome.job.id, outcome.kind) == ("mine", Kind.DEFERRED)
    assert 1500 <= outcome.delay_ms <= 2500


def test_a_job_that_can_never_have_room_ends_for_good(asker: Asker) -> None:
    outcome = asker.refusal(asker.answer("mine", "never", most_bytes=4711))
    assert outcome is not None
    assert (outcome.kind, outcome.error) == (Kind.OVERSIZED, "4711")
