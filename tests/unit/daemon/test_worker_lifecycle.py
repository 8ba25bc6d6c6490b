"""Workers come into service and leave it: what the daemon makes of each word, lease and death."""

from __future__ import annotations

import errno
import math
import signal
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jqjobs.daemon.lease_messages import Charge, Command, EndWorker, Join, LeaseEvent
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.daemon.worker_lifecycle import Handover, WorkerLifecycle
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.jobs.records import AttemptRef
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board_layout import BoardFile, Stage, Word
from jqjobs.link.bounds import MAX_PROCESSES, Bounds
from jqjobs.link.exits import WorkerExit
from jqjobs.store.calls.leases import roster
from log_lines import Lines
from unit.daemon.fake_workers import Clock, FakeWorkers
from unit.link.boards import in_hand, run_only, worker_side


class Keeper:
    """What the lease thread is asked to do."""

    def __init__(self) -> None:
        self.submitted: list[Command] = []

    def submit(self, command: Command) -> None:
        self.submitted.append(command)


@dataclass
class Memory:
    asked: int = 0
    granted: list[tuple[str, str, int]] = field(default_factory=list)

    def ask(self) -> None:
        self.asked += 1

    def grant(self, worker: WorkerProcess, job_id: str, need_bytes: int) -> None:
        self.granted.append((worker.id, job_id, need_bytes))


class SourceChanges:
    """Files that are watched, and single workers that are to be replaced."""

    def __init__(self) -> None:
        self.watched: list[tuple[str, list[str]]] = []
        self.added: list[str] = []
        self.reload = self.files = self

    def watch(self, worker: WorkerProcess, told: dict[str, Any]) -> None:
        self.watched.append((worker.id, list(told["paths"])))

    def add(self, worker: WorkerProcess) -> None:
        self.added.append(worker.id)


@dataclass
class FakeDaemon:
    """A `WorkerLifecycle` with everything around it."""

    workers: FakeWorkers
    processes: str = "2"
    keeper: Keeper = field(default_factory=Keeper)
    memory: Memory = field(default_factory=Memory)
    source_changes: SourceChanges = field(default_factory=SourceChanges)

    def __post_init__(self) -> None:
        settings = DaemonSettings("shop:app", "redis://", processes=Bounds.parse(self.processes), kill_after_s=5)
        parts: Any = (self.workers.processes, self.keeper, self.memory, self.source_changes)
        self.lifecycle = WorkerLifecycle(settings, *parts)

    def started(self) -> list[WorkerProcess]:
        return list(self.workers.processes)

    def say(self, worker: WorkerProcess, event: str, **facts: Any) -> None:
        self.workers.say(worker, event, **facts)
        self.lifecycle.hear_workers()

    def make_joining(self, worker: WorkerProcess) -> None:
        self.say(worker, "ready", queues=["a", "b"], names=["mail"], unserved=[], missing=[])

    def make_ready(self, worker: WorkerProcess) -> None:
        self.make_joining(worker)
        self.join(worker)
        self.workers.heard(worker)

    def join(self, worker: WorkerProcess) -> None:
        if self.lifecycle.hear_of_lease(LeaseEvent("joined", worker.id), worker):
            self.lifecycle.let_begin(worker)

    def die(self, worker: WorkerProcess, code: int = -9) -> EndWorker:
        self.workers.die(worker, code)
        self.lifecycle.replace_the_dead()
        ended = self.keeper.submitted[-1]
        assert isinstance(ended, EndWorker)
        assert ended.worker_id == worker.id
        return ended


@pytest.fixture
def daemon(workers: FakeWorkers, logged: Lines, clock: Clock) -> FakeDaemon:
    """Two workers that have just been started."""
    made = FakeDaemon(workers)
    made.lifecycle.start_workers()
    return made


def test_a_full_place_for_boards_is_named_with_what_to_do(
    workers: FakeWorkers, logged: Lines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(BoardFile, "create", refuse)
    assert workers.start(0) == []
    (refusal,) = logged.of("worker.not_started")
    assert refusal["hint"].startswith("make room in /")
    assert "--runtime-dir" in refusal["hint"]


def test_a_directory_that_is_gone_is_named_with_what_to_do(tmp_path: Path, logged: Lines) -> None:
    pipes: Any = nullcontext()
    pipes.stdout = pipes.stderr = None
    pipes.read_ends = []
    relay: Any = SimpleNamespace(pipes=lambda: pipes)
    processes = WorkerProcesses("host:1:test", tmp_path, lambda *_: "", tmp_path / "gone", relay)
    assert processes.start(0) is None
    (refusal,) = logged.of("worker.not_started")
    assert refusal["error"].endswith(f": '{tmp_path}/gone'")
    assert "--directory" in refusal["hint"]


def test_every_seat_gets_one_worker_and_no_second_one(daemon: FakeDaemon) -> None:
    for _ in range(3):
        daemon.lifecycle.start_workers()
    assert [worker.seat for worker in daemon.started()] == [0, 1]


def test_a_start_that_the_system_refuses_is_tried_again_more_and_more_rarely(
    workers: FakeWorkers, logged: Lines, clock: Clock
) -> None:
    daemon = FakeDaemon(workers, processes="1")
    workers.cannot_start = True
    for _ in range(400):  # a minute and a half of turns
        daemon.lifecycle.start_workers()
        clock.now_s += 0.25
    refusals = logged.of("worker.not_started")
    assert 5 < len(refusals) < 15
    assert "limit of processes" in refusals[0]["hint"]
    assert "cannot be started" in daemon.lifecycle.note
    workers.cannot_start = False
    clock.now_s += 30
    daemon.lifecycle.start_workers()
    assert len(daemon.started()) == 1


def test_loaded_ready_joined_go_is_how_a_worker_comes_into_service(daemon: FakeDaemon, logged: Lines) -> None:
    worker, _ = daemon.started()
    assert worker.state == "starting"
    daemon.say(worker, "loaded")
    assert (worker.state, daemon.keeper.submitted) == ("joining", []), "it has the app, and waits for Redis"
    daemon.make_joining(worker)
    assert worker.state == "joining"
    assert daemon.keeper.submitted == [Join(worker.id, ("a", "b"), roster(("mail",)), worker.board)]
    assert worker.board.header["queues"] == ["a", "b"], "whoever finds its board must know where to give back"
    assert daemon.workers.heard(worker) == [], "without a lease it takes nothing"
    assert daemon.lifecycle.hear_of_lease(LeaseEvent("joined", worker.id), worker)
    assert (worker.state, daemon.workers.heard(worker)) == ("ready", []), "first it is said which suspects it takes"
    daemon.lifecycle.let_begin(worker)
    assert (worker.state, daemon.workers.heard(worker)) == ("ready", ["go"])
    assert daemon.lifecycle.ever_ready
    assert logged.of("worker.ready")


def test_a_worker_that_was_told_to_end_meanwhile_is_given_no_work(daemon: FakeDaemon) -> None:
    told_before, told_after = daemon.started()
    daemon.workers.processes.stop(told_before, stop_plans.retire_plan())
    daemon.make_joining(told_before)
    assert daemon.keeper.submitted == []
    daemon.make_joining(told_after)
    daemon.workers.processes.stop(told_after, stop_plans.retire_plan())
    assert not daemon.lifecycle.hear_of_lease(LeaseEvent("joined", told_after.id), told_after)
    assert (told_after.state, daemon.workers.heard(told_after)) == ("stopping", [])


def test_a_word_that_comes_late_takes_no_worker_back_into_joining(daemon: FakeDaemon) -> None:
    worker, other = daemon.started()
    daemon.make_ready(worker)
    daemon.say(worker, "loaded")
    assert worker.state == "ready"
    daemon.workers.processes.stop(other, stop_plans.retire_plan())
    daemon.say(other, "loaded")
    assert other.state == "stopping"


def test_quiet_is_told_before_go_so_that_nothing_is_taken_in_between(daemon: FakeDaemon) -> None:
    daemon.lifecycle.set_quiet(is_quiet=True)
    worker, _ = daemon.started()
    assert daemon.workers.heard(worker) == ["quiet"]
    daemon.make_joining(worker)
    daemon.join(worker)
    assert daemon.workers.heard(worker) == ["quiet", "go"]
    daemon.lifecycle.set_quiet(is_quiet=False)
    assert daemon.workers.heard(worker) == ["resume"]
    assert not daemon.lifecycle.is_quiet


def test_what_workers_say_reaches_whom_it_concerns(daemon: FakeDaemon) -> None:
    worker, _ = daemon.started()
    daemon.say(worker, "files", paths=["/srv/a.py"])
    daemon.say(worker, "memory")
    daemon.say(worker, "room", job="id", need_bytes=5)
    daemon.say(worker, "recycle", reason="max_age")
    daemon.say(worker, "unheard_of", thing=1)
    assert daemon.source_changes.watched == [(worker.id, ["/srv/a.py"])]
    assert daemon.memory.asked == 1
    assert daemon.memory.granted == [(worker.id, "id", 5)]
    assert daemon.source_changes.added == [worker.id]


def test_queues_that_nobody_here_serves_are_said_once(daemon: FakeDaemon, logged: Lines) -> None:
    for worker in daemon.started():
        daemon.say(worker, "ready", queues=["a"], names=[], unserved=["reports", "mails"], missing=[])
    assert [line["queues"] for line in logged.of("queues.unserved")] == ["reports,mails"]


def test_a_fenced_worker_is_stopped_within_the_time_of_a_kill(daemon: FakeDaemon, clock: Clock) -> None:
    worker, _ = daemon.started()
    daemon.make_ready(worker)
    daemon.lifecycle.hear_of_lease(LeaseEvent("fenced", worker.id), worker)
    assert worker.plan == stop_plans.stop_plan(clock.now_s, 5)


@pytest.mark.parametrize(
    ("killed_for", "sent", "charge"),
    [
        ("", None, Charge("its worker was killed by SIGKILL, probably out of memory")),
        ("", signal.SIGKILL, Charge("its worker was stopped before the job ended", was_stopped=True)),
        ("limit", None, Charge("limit", killed_as="hung", only=AttemptRef("a", "id", 7))),
    ],
)
def test_the_dead_are_ended_with_what_their_running_job_is_charged(
    daemon: FakeDaemon, killed_for: str, sent: Any, charge: Charge
) -> None:
    worker, _ = daemon.started()
    daemon.make_ready(worker)
    run_only(worker.board, TakenJob("a", "id", 7, "mail", b""))
    worker.killed_for, worker.killed_at, worker.sent, worker.stacks = killed_for, ("a", "id", 7), sent, "stacks"
    worker.killed_as = "hung" if killed_for else ""
    ended = daemon.die(worker)
    assert (ended.charge, ended.queues, ended.stacks) == (charge, ("a", "b"), "stacks")
    assert ended.board is worker.board


def charged(daemon: FakeDaemon, running: int, **facts: Any) -> Charge:
    """Have a worker die that ran so many jobs; what these are charged."""
    worker, _ = daemon.started()
    daemon.make_ready(worker)
    for each in in_hand(worker.board, *range(running + 2))[:running]:
        worker_side(worker.board).mark(each.place, Stage.RUNNING, 1)
    for name, value in facts.items():
        setattr(worker, name, value)
    return daemon.die(worker, -11).charge


def test_of_several_running_jobs_only_the_one_is_charged_that_its_worker_was_killed_for(daemon: FakeDaemon) -> None:
    at = ("q", "id-1", 1)
    assert charged(daemon, 3, killed_for="limit", killed_as="hung", killed_at=at) == Charge(
        "limit", killed_as="hung", only=at
    )


def test_a_job_that_ended_before_the_kill_came_is_charged_nothing_nor_are_its_neighbours(daemon: FakeDaemon) -> None:
    at = ("elsewhere", "id-1", 1)
    assert charged(daemon, 3, killed_for="limit", killed_as="hung", killed_at=at).was_stopped


def test_the_cause_says_how_many_ran(daemon: FakeDaemon) -> None:
    charge = charged(daemon, 3)
    assert charge == Charge("its worker was killed by SIGSEGV; it ran 3 jobs")


def test_after_a_crash_the_cause_is_known_and_whose_doing_it_was_is_found_elsewhere(daemon: FakeDaemon) -> None:
    assert charged(daemon, 1) == Charge("its worker was killed by SIGSEGV")


def test_nobody_pays_for_a_death_during_a_drain(daemon: FakeDaemon) -> None:
    worker, _ = daemon.started()
    daemon.make_ready(worker)
    worker.board.set_word(Word.DRAINING, 1)
    assert daemon.die(worker).charge.was_stopped


def test_a_dead_worker_is_succeeded_in_its_seat(daemon: FakeDaemon, logged: Lines) -> None:
    first, second = daemon.started()
    daemon.make_ready(first)
    daemon.die(first)
    assert [line["worker"] for line in logged.of("worker.died")] == [first.id]
    daemon.lifecycle.start_workers()
    assert sorted(worker.seat for worker in daemon.started()) == [first.seat, second.seat]


def test_workers_that_die_young_are_succeeded_more_and_more_rarely(
    workers: FakeWorkers, logged: Lines, clock: Clock
) -> None:
    daemon = FakeDaemon(workers, processes="1")
    for _ in range(400):
        daemon.lifecycle.start_workers()
        for worker in daemon.started():
            daemon.die(worker)
        clock.now_s += 0.25
    assert 5 < len(logged.of("worker.died")) < 15
    daemon.lifecycle.seats.forget_deaths()
    daemon.lifecycle.start_workers()
    assert len(daemon.started()) == 1, "new code is tried at once"


def test_who_was_told_to_end_has_no_death_to_speak_of(daemon: FakeDaemon, logged: Lines) -> None:
    worker, _ = daemon.started()
    daemon.make_ready(worker)
    daemon.workers.processes.stop(worker, stop_plans.recycle_plan())
    daemon.die(worker, code=0)
    assert not logged.of("worker.died")
    assert logged.of("worker.gone")
    daemon.lifecycle.start_workers()
    assert len(daemon.started()) == 2, "its seat is taken at once"


def test_the_last_words_of_the_dead_are_heard(daemon: FakeDaemon, logged: Lines) -> None:
    worker, _ = daemon.started()
    daemon.workers.say(worker, "files", paths=["/srv/broken.py"])
    daemon.workers.say(worker, "failed", error="SyntaxError: invalid syntax")
    daemon.die(worker, WorkerExit.BAD_APP)
    assert daemon.source_changes.watched == [(worker.id, ["/srv/broken.py"])], "a change there is a reason to try again"
    assert logged.of("worker.died")[0]["error"] == "SyntaxError: invalid syntax"


@pytest.mark.parametrize("code", [WorkerExit.BAD_APP, WorkerExit.REFUSED])
def test_an_app_that_never_worked_makes_the_daemon_unusable(daemon: FakeDaemon, code: int) -> None:
    worker, _ = daemon.started()
    daemon.say(worker, "failed", error="no module named shop")
    daemon.die(worker, code)
    assert daemon.lifecycle.unusable == "no module named shop"


@pytest.mark.parametrize("code", [WorkerExit.BAD_APP, WorkerExit.REFUSED])
def test_an_app_that_worked_before_is_tried_again_and_a_note_says_why(daemon: FakeDaemon, code: int) -> None:
    one, other = daemon.started()
    daemon.make_ready(one)
    daemon.say(other, "failed", error="no module named shop")
    daemon.die(other, code)
    assert daemon.lifecycle.unusable == ""
    assert daemon.lifecycle.note == "workers do not start: no module named shop"
    daemon.lifecycle.start_workers()
    daemon.make_ready(daemon.started()[-1])
    assert daemon.lifecycle.note == ""


def test_a_crash_says_nothing_against_the_app_and_a_note_says_why_there_is_no_worker(daemon: FakeDaemon) -> None:
    daemon.die(daemon.started()[0], -11)
    assert daemon.lifecycle.unusable == ""
    assert daemon.lifecycle.note == "a worker died before it was ready: it was killed by SIGSEGV"
    daemon.make_ready(daemon.started()[0])
    assert daemon.lifecycle.note == ""


def test_fewer_workers_let_the_last_ones_finish_and_start_no_others(daemon: FakeDaemon) -> None:
    one, other = daemon.started()
    for worker in (one, other):
        daemon.make_ready(worker)
    assert daemon.lifecycle.size.resize(1) == 1
    assert one.plan is None
    assert other.plan is not None
    assert math.isinf(other.plan.quit_at_s)
    daemon.die(other, code=0)
    daemon.lifecycle.start_workers()
    assert daemon.started() == [one]


def test_a_worker_that_is_killed_on_its_way_out_is_not_succeeded(daemon: FakeDaemon, logged: Lines) -> None:
    _, other = daemon.started()
    daemon.make_ready(other)
    daemon.lifecycle.size.resize(1)
    daemon.die(other, code=-9)
    daemon.lifecycle.start_workers()
    assert len(daemon.started()) == 1


def test_a_seat_given_up_and_wanted_again_need_not_wait_for_its_old_worker(daemon: FakeDaemon) -> None:
    for worker in daemon.started():
        daemon.make_ready(worker)
    daemon.lifecycle.size.resize(1)
    assert daemon.lifecycle.size.resize(2) == 2
    daemon.lifecycle.start_workers()
    assert [worker.seat for worker in daemon.started() if worker.plan is None] == [0, 1]


def test_the_number_of_workers_has_bounds(daemon: FakeDaemon) -> None:
    assert daemon.lifecycle.size.resize(0) == 1
    assert daemon.lifecycle.size.resize(10_000) == MAX_PROCESSES


@pytest.mark.parametrize(("processes", "has"), [("2", 5), ("3", 3)], ids=["as before", "newly configured"])
def test_a_new_image_goes_on_quiet_and_with_as_many_workers_as_were_ordered(
    daemon: FakeDaemon, workers: FakeWorkers, processes: str, has: int
) -> None:
    daemon.lifecycle.set_quiet(is_quiet=True)
    daemon.lifecycle.size.scale(Bounds.fixed(5))
    handover = Handover.from_json(daemon.lifecycle.handover().to_json())
    heir = FakeDaemon(workers, processes=processes).lifecycle
    heir.inherit(handover)
    assert (heir.is_quiet, heir.ever_ready, heir.wanted) == (True, True, has)


@pytest.mark.parametrize(
    ("before", "ordered", "now", "has", "bounds"),
    [
        ("1..8", "", "1..8", 6, "1..8"), ("1..8", "", "1..4", 4, "1..4"), ("1..8", "", "3", 3, "3"),
        ("2", "1..8", "2", 6, "1..8"), ("1..8", "6", "1..8", 6, "6"), ("1..8", "6", "1..9", 6, "1..9"),
    ],
)  # fmt: skip
def test_a_new_image_goes_on_with_as_many_workers_as_jobs_called_for(
    workers: FakeWorkers, before: str, ordered: str, now: str, has: int, bounds: str
) -> None:
    daemon = FakeDaemon(workers, processes=before).lifecycle
    if ordered:
        daemon.size.scale(Bounds.parse(ordered))
    daemon.size.resize(6)
    heir = FakeDaemon(workers, processes=now).lifecycle
    heir.inherit(Handover.from_json(daemon.handover().to_json()))
    assert (heir.wanted, str(heir.size.bounds)) == (has, bounds)


def test_a_range_begins_with_the_least_and_an_order_ends_it(workers: FakeWorkers) -> None:
    lifecycle = FakeDaemon(workers, processes="2..8").lifecycle
    assert lifecycle.wanted == 2
    assert lifecycle.size.scale(Bounds.fixed(5)) == 5
    assert lifecycle.size.scale(Bounds(1, 3)) == 3


def test_a_seat_is_given_up_wherever_it_is_but_the_last_one(daemon: FakeDaemon) -> None:
    one, other = daemon.started()
    daemon.make_ready(one)
    daemon.make_ready(other)
    daemon.lifecycle.size.give_up(one.seat)
    assert (one.plan is None, other.plan is None, daemon.lifecycle.wanted) == (False, True, 1)
    daemon.lifecycle.size.give_up(other.seat)
    daemon.die(one, code=0)
    daemon.lifecycle.start_workers()
    assert (daemon.started(), daemon.lifecycle.wanted) == ([other], 1)


@pytest.mark.parametrize("text", ["yes", "[]", '{"is_quiet": true, "unheard_of": 1}'])
def test_what_another_version_left_behind_is_forgotten(daemon: FakeDaemon, text: str) -> None:
    daemon.lifecycle.inherit(Handover.from_json(text))
    assert (daemon.lifecycle.is_quiet, daemon.lifecycle.wanted) == (False, 2)
