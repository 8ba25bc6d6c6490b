"""Workers come into service and leave it: what the daemon makes of each word, lease and death."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, field
from typing import Any

import pytest

from jqjobs.daemon.messages import Bury, Charge, Command, Join, KeeperEvent
from jqjobs.daemon.settings import MAX_PROCESSES, DaemonSettings
from jqjobs.daemon.worker_lifecycle import Handover, WorkerLifecycle
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.jobs.records import TakenJob
from jqjobs.link.board import Stage
from jqjobs.link.exits import WorkerExit
from unit.daemon.fake_workers import Clock, FakeWorkers, Lines
from unit.link.boards import held, run_only


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
        self.reload = self

    def watch(self, worker: WorkerProcess, paths: list[str]) -> None:
        self.watched.append((worker.id, list(paths)))

    def add(self, worker: WorkerProcess) -> None:
        self.added.append(worker.id)


@dataclass
class Office:
    """A service with everything around it."""

    workers: FakeWorkers
    processes: int = 2
    keeper: Keeper = field(default_factory=Keeper)
    memory: Memory = field(default_factory=Memory)
    sources: SourceChanges = field(default_factory=SourceChanges)

    def __post_init__(self) -> None:
        settings = DaemonSettings("shop:app", "redis://", processes=self.processes, kill_after_s=5)
        parts: Any = (self.workers.crew, self.keeper, self.memory, self.sources)
        self.service = WorkerLifecycle(settings, *parts)

    def started(self) -> list[WorkerProcess]:
        return list(self.workers.crew)

    def say(self, worker: WorkerProcess, event: str, **facts: Any) -> None:
        self.workers.say(worker, event, **facts)
        self.service.hear_workers()

    def make_joining(self, worker: WorkerProcess) -> None:
        self.say(worker, "ready", queues=["a", "b"], names=["mail"], unserved=[])

    def make_ready(self, worker: WorkerProcess) -> None:
        self.make_joining(worker)
        self.service.hear_of_lease(KeeperEvent("joined", worker.id), worker)
        self.workers.heard(worker)

    def die(self, worker: WorkerProcess, code: int = -9) -> Bury:
        self.workers.die(worker, code)
        self.service.bury_the_dead()
        buried = self.keeper.submitted[-1]
        assert isinstance(buried, Bury)
        assert buried.worker_id == worker.id
        return buried


@pytest.fixture
def office(workers: FakeWorkers, logged: Lines, clock: Clock) -> Office:
    """Two workers that have just been started."""
    place = Office(workers)
    place.service.start_workers()
    return place


def test_every_slot_gets_one_worker_and_no_second_one(office: Office) -> None:
    for _ in range(3):
        office.service.start_workers()
    assert [worker.slot for worker in office.started()] == [0, 1]


def test_a_start_that_the_system_refuses_is_tried_again_more_and_more_rarely(
    workers: FakeWorkers, logged: Lines, clock: Clock
) -> None:
    office = Office(workers, processes=1)
    workers.cannot_start = True
    for _ in range(400):  # a minute and a half of turns
        office.service.start_workers()
        clock.now_s += 0.25
    assert 5 < len(logged.of("worker.not_started")) < 15
    workers.cannot_start = False
    clock.now_s += 30
    office.service.start_workers()
    assert len(office.started()) == 1


def test_loaded_ready_joined_go_is_how_a_worker_comes_into_service(office: Office, logged: Lines) -> None:
    worker, _ = office.started()
    assert worker.state == "starting"
    office.say(worker, "loaded")
    assert (worker.state, office.keeper.submitted) == ("joining", []), "it has the app, and waits for Redis"
    office.make_joining(worker)
    assert worker.state == "joining"
    assert office.keeper.submitted == [Join(worker.id, ("a", "b"), ("mail",), worker.board)]
    assert worker.board.header["queues"] == ["a", "b"], "whoever finds its board must know where to give back"
    assert office.workers.heard(worker) == [], "without a lease it takes nothing"
    office.service.hear_of_lease(KeeperEvent("joined", worker.id), worker)
    assert (worker.state, office.workers.heard(worker)) == ("ready", ["go"])
    assert office.service.ever_ready
    assert logged.of("worker.ready")


def test_a_worker_that_was_told_to_end_meanwhile_is_given_no_work(office: Office) -> None:
    told_before, told_after = office.started()
    office.workers.crew.stop(told_before, stop_plans.retire_plan())
    office.make_joining(told_before)
    assert office.keeper.submitted == []
    office.make_joining(told_after)
    office.workers.crew.stop(told_after, stop_plans.retire_plan())
    office.service.hear_of_lease(KeeperEvent("joined", told_after.id), told_after)
    assert (told_after.state, office.workers.heard(told_after)) == ("stopping", [])


def test_a_word_that_comes_late_takes_no_worker_back_into_joining(office: Office) -> None:
    worker, other = office.started()
    office.make_ready(worker)
    office.say(worker, "loaded")
    assert worker.state == "ready"
    office.workers.crew.stop(other, stop_plans.retire_plan())
    office.say(other, "loaded")
    assert other.state == "stopping"


def test_quiet_is_told_before_go_so_that_nothing_is_taken_in_between(office: Office) -> None:
    office.service.set_quiet(is_quiet=True)
    worker, _ = office.started()
    assert office.workers.heard(worker) == ["quiet"]
    office.make_joining(worker)
    office.service.hear_of_lease(KeeperEvent("joined", worker.id), worker)
    assert office.workers.heard(worker) == ["quiet", "go"]
    office.service.set_quiet(is_quiet=False)
    assert office.workers.heard(worker) == ["resume"]
    assert not office.service.is_quiet


def test_what_workers_say_reaches_whom_it_concerns(office: Office) -> None:
    worker, _ = office.started()
    office.say(worker, "files", paths=["/srv/a.py"])
    office.say(worker, "memory")
    office.say(worker, "room", job="id", need_bytes=5)
    office.say(worker, "recycle", reason="max_age")
    office.say(worker, "unheard_of", thing=1)
    assert office.sources.watched == [(worker.id, ["/srv/a.py"])]
    assert office.memory.asked == 1
    assert office.memory.granted == [(worker.id, "id", 5)]
    assert office.sources.added == [worker.id]


def test_queues_that_nobody_here_serves_are_said_once(office: Office, logged: Lines) -> None:
    for worker in office.started():
        office.say(worker, "ready", queues=["a"], names=[], unserved=["reports", "mails"])
    assert [line["queues"] for line in logged.of("queues.unserved")] == ["reports,mails"]


def test_a_fenced_worker_is_stopped_within_the_time_of_a_kill(office: Office, clock: Clock) -> None:
    worker, _ = office.started()
    office.make_ready(worker)
    office.service.hear_of_lease(KeeperEvent("fenced", worker.id), worker)
    assert worker.plan == stop_plans.stop_plan(clock.now_s, 5)


@pytest.mark.parametrize(
    ("killed_for", "sent", "mode"), [("", None, "crash"), ("", signal.SIGKILL, "interrupt"), ("limit", None, "hung")]
)
def test_the_dead_are_buried_with_what_their_running_job_is_charged(
    office: Office, killed_for: str, sent: Any, mode: str
) -> None:
    worker, _ = office.started()
    office.make_ready(worker)
    run_only(worker.board, TakenJob("a", "id", 7, "mail", b""))
    worker.killed_for, worker.killed_at, worker.sent, worker.stacks = killed_for, ("a", "id", 7), sent, "stacks"
    worker.killed_as = "hung" if killed_for else ""
    buried = office.die(worker)
    assert (buried.charge.mode, buried.queues, buried.stacks) == (mode, ("a", "b"), "stacks")
    assert buried.board is worker.board


def charged(office: Office, running: int, **facts: Any) -> Charge:
    """Have a worker die that ran so many jobs; what these are charged."""
    worker, _ = office.started()
    office.make_ready(worker)
    for each in held(worker.board, *range(running + 2))[:running]:
        worker.board.mark(each.place, Stage.RUNNING, 1)
    for name, value in facts.items():
        setattr(worker, name, value)
    return office.die(worker, -11).charge


def test_of_several_running_jobs_only_the_one_is_charged_that_its_worker_was_killed_for(office: Office) -> None:
    at = ("q", "id-1", 1)
    assert charged(office, 3, killed_for="limit", killed_as="hung", killed_at=at) == Charge("hung", "limit", at)


def test_a_job_that_ended_before_the_kill_came_is_charged_nothing_nor_are_its_neighbours(office: Office) -> None:
    at = ("elsewhere", "id-1", 1)
    assert charged(office, 3, killed_for="limit", killed_as="hung", killed_at=at).mode == "interrupt"


def test_after_a_crash_with_several_running_all_of_them_are_suspects(office: Office) -> None:
    charge = charged(office, 3)
    assert (charge.mode, charge.only) == ("suspect", None)
    assert "SIGSEGV" in charge.cause
    assert "3 jobs" in charge.cause


def test_after_a_crash_with_one_running_that_one_is_charged(office: Office) -> None:
    assert charged(office, 1).mode == "crash"


def test_a_dead_worker_is_succeeded_in_its_slot(office: Office, logged: Lines) -> None:
    first, second = office.started()
    office.make_ready(first)
    office.die(first)
    assert [line["worker"] for line in logged.of("worker.died")] == [first.id]
    office.service.start_workers()
    assert sorted(worker.slot for worker in office.started()) == [first.slot, second.slot]


def test_workers_that_die_young_are_succeeded_more_and_more_rarely(
    workers: FakeWorkers, logged: Lines, clock: Clock
) -> None:
    office = Office(workers, processes=1)
    for _ in range(400):
        office.service.start_workers()
        for worker in office.started():
            office.die(worker)
        clock.now_s += 0.25
    assert 5 < len(logged.of("worker.died")) < 15
    office.service.start_soon()
    office.service.start_workers()
    assert len(office.started()) == 1, "new code is tried at once"


def test_who_was_told_to_end_has_no_death_to_speak_of(office: Office, logged: Lines) -> None:
    worker, _ = office.started()
    office.make_ready(worker)
    office.workers.crew.stop(worker, stop_plans.recycle_plan())
    office.die(worker, code=0)
    assert not logged.of("worker.died")
    assert logged.of("worker.gone")
    office.service.start_workers()
    assert len(office.started()) == 2, "its place is filled at once"


def test_the_last_words_of_the_dead_are_heard(office: Office, logged: Lines) -> None:
    worker, _ = office.started()
    office.workers.say(worker, "files", paths=["/srv/broken.py"])
    office.workers.say(worker, "failed", error="SyntaxError: invalid syntax")
    office.die(worker, WorkerExit.BAD_APP)
    assert office.sources.watched == [(worker.id, ["/srv/broken.py"])], "a change there is a reason to try again"
    assert logged.of("worker.died")[0]["error"] == "SyntaxError: invalid syntax"


@pytest.mark.parametrize("code", [WorkerExit.BAD_APP, WorkerExit.REFUSED])
def test_an_app_that_never_worked_makes_the_daemon_unusable(office: Office, code: int) -> None:
    worker, _ = office.started()
    office.say(worker, "failed", error="no module named shop")
    office.die(worker, code)
    assert office.service.unusable == "no module named shop"


@pytest.mark.parametrize("code", [WorkerExit.BAD_APP, WorkerExit.REFUSED])
def test_an_app_that_worked_before_is_tried_again_and_a_note_says_why(office: Office, code: int) -> None:
    one, other = office.started()
    office.make_ready(one)
    office.say(other, "failed", error="no module named shop")
    office.die(other, code)
    assert office.service.unusable == ""
    assert office.service.note == "workers do not start: no module named shop"
    office.service.start_workers()
    office.make_ready(office.started()[-1])
    assert office.service.note == ""


def test_a_crash_says_nothing_against_the_app(office: Office) -> None:
    office.die(office.started()[0], -11)
    assert (office.service.unusable, office.service.note) == ("", "")


def test_fewer_workers_let_the_last_ones_finish_and_start_no_others(office: Office) -> None:
    one, other = office.started()
    for worker in (one, other):
        office.make_ready(worker)
    assert office.service.resize(1) == 1
    assert one.plan is None
    assert other.plan is not None
    assert math.isinf(other.plan.quit_at_s)
    office.die(other, code=0)
    office.service.start_workers()
    assert office.started() == [one]


def test_a_worker_that_is_killed_on_its_way_out_is_not_succeeded(office: Office, logged: Lines) -> None:
    _, other = office.started()
    office.make_ready(other)
    office.service.resize(1)
    office.die(other, code=-9)
    office.service.start_workers()
    assert len(office.started()) == 1


def test_a_slot_given_up_and_wanted_again_need_not_wait_for_its_old_worker(office: Office) -> None:
    for worker in office.started():
        office.make_ready(worker)
    office.service.resize(1)
    assert office.service.resize(2) == 2
    office.service.start_workers()
    assert [worker.slot for worker in office.started() if worker.plan is None] == [0, 1]


def test_the_number_of_workers_has_bounds(office: Office) -> None:
    assert office.service.resize(0) == 1
    assert office.service.resize(10_000) == MAX_PROCESSES


@pytest.mark.parametrize(("processes", "has"), [(2, 5), (3, 3)], ids=["as before", "newly configured"])
def test_a_new_image_goes_on_quiet_and_with_as_many_workers_as_were_ordered(
    office: Office, workers: FakeWorkers, processes: int, has: int
) -> None:
    office.service.set_quiet(is_quiet=True)
    office.service.resize(5)
    handover = Handover.from_json(office.service.handover().to_json())
    heir = Office(workers, processes=processes).service
    heir.inherit(handover)
    assert (heir.is_quiet, heir.ever_ready, heir.wanted) == (True, True, has)


@pytest.mark.parametrize("text", ["yes", "[]", '{"is_quiet": true, "unheard_of": 1}'])
def test_what_another_version_left_behind_is_forgotten(office: Office, text: str) -> None:
    office.service.inherit(Handover.from_json(text))
    assert (office.service.is_quiet, office.service.wanted) == (False, 2)
