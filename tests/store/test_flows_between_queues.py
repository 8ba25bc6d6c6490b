"""Whoever ends a member of a batch has what comes after it begin in another queue at once, and the others cancelled if
that is said: nobody waits for a daemon, which would take along what is older than 2 s.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.api.batches import Batch
from jqjobs.api.handle import JobHandle
from jqjobs.daemon.lease_messages import Charge, Command, EndWorker, Recall
from jqjobs.daemon.leases import housekeeping
from jqjobs.daemon.leases.housekeeping import Housekeeping
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.jobs.flow import BatchState, OnDead, written
from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import Kind
from jqjobs.jobs.selector import Selector
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage
from jqjobs.operations import acts
from jqjobs.operations.batches import close_batch
from jqjobs.store.bulk import Act, act_on_all
from jqjobs.store.calls import batches, flows, leases
from jqjobs.store.calls.cancels import cancel
from jqjobs.store.calls.flows import deliver_flow
from jqjobs.store.partitioning import repartition
from jqjobs.store.steps import run_steps
from jqjobs.store.store import Store
from jqjobs.worker.trips import ingestion, passing_on
from store.queue_system import LEASE_MS, QueueSystem
from store.worker.processless_worker import ProcesslessWorker
from unit.link.boards import worker_side

ALWAYS = written([b'{"job":"over","queue":"third"}'])


class Staff:
    """A worker and a daemon, of which no processes run, and a client. A member "a" of a batch waits in "q"."""

    def __init__(self, system: QueueSystem, store: Store, directory: Path) -> None:
        store._now_ms = system.clock
        self.system = system
        self.directory = directory
        self.worker = ProcesslessWorker(system, store, directory)
        self.settings = DaemonSettings("shop:app", system.url, lease_s=LEASE_MS / 1000)
        self.housekeeping = Housekeeping(system.store, self.settings)
        engine: Any = system
        self.handle = JobHandle("a", "q", True, engine)

    def end(self, kind: Kind = Kind.DONE, wait_ms: int = 0) -> None:
        """Have the worker take the first job and end it."""
        self.worker.exchanger.trip(1)
        job = self.worker.start()
        self.worker.batch.finish(job, Outcome(job, kind, line=b"{}", wait_ms=wait_ms))
        self.worker.exchanger.trip(0)

    def let_wait(self) -> None:
        """Have the member wait for a third party."""
        self.system.redis("HSET", self.system.key("job:a"), "max_attempts", 1)
        self.end(Kind.WAITING, 1000)

    def keep(self, command: Command) -> None:
        """Have the lease thread of the daemon do something."""
        LeaseKeeper(self.settings, "h:1:d", self.system.store, self.directory, lambda event: None).do(command)

    def take_running(self, name: str) -> Board:
        """Have another worker take the member and run it; return its board."""
        board = Board.create(self.directory / f"{name}.board")
        side = worker_side(board)
        side.add(jobs := self.system.take(name))
        side.mark(jobs[0].place, Stage.RUNNING, 1)
        return board


def succeeds(staff: Staff) -> None:
    staff.end()


def dies(staff: Staff) -> None:
    staff.end(Kind.DISCARDED)


def dies_before_a_long_job(staff: Staff) -> None:
    """The monitor thread reports what has ended before that."""
    staff.system.add("long")
    staff.worker.exchanger.trip(2)
    staff.worker.finish(staff.worker.start(), Kind.DISCARDED)
    staff.worker.start()
    assert staff.worker.exchanger.report(gives_back=False)


def expires(staff: Staff) -> None:
    staff.system.redis("HSET", staff.system.key("job:a"), "expires", staff.system.clock.now_ms)
    staff.worker.exchanger.trip(1)


def crashes(staff: Staff) -> None:
    staff.system.redis("HSET", staff.system.key("job:a"), "max_crashes", 1)
    board = staff.take_running("v")
    staff.keep(EndWorker("v", ("q",), Charge("killed"), board))
    board.close()


def is_lost_and_reaped_by_a_worker(staff: Staff) -> None:
    is_lost(staff)
    staff.worker.exchanger.trip(0)


def is_lost_and_reaped_by_a_daemon(staff: Staff) -> None:
    is_lost(staff)
    staff.housekeeping.do(["q"])


def is_lost(staff: Staff) -> None:
    """Its worker's lease runs out after somebody has cancelled it."""
    staff.system.reaping_works_from_now()
    staff.take_running("v").close()
    staff.system.run(cancel("q", ["a"]))
    for _ in range(4):
        staff.system.clock.advance(LEASE_MS // 4)
        staff.system.run(leases.renew(["q"], LEASE_MS, ["w"]))
        staff.system.redis("HSET", staff.system.key("meta"), "reaped", staff.system.clock.now_ms)
    staff.system.clock.advance(LEASE_MS // 4)


def is_cancelled_by_its_handle(staff: Staff) -> None:
    assert staff.handle.cancel() == "cancelled"


def is_cancelled_by_name(staff: Staff) -> None:
    acts.cancel_one(staff.system.store, "q/a")


def is_cancelled_with_others(staff: Staff) -> None:
    run_steps(staff.system.run, act_on_all("q", Selector(name="n"), Act.CANCEL))


def is_cancelled_behind_a_long_job(staff: Staff) -> None:
    staff.take_running("v").close()
    acts.cancel_one(staff.system.store, "q/a")
    staff.keep(Recall("v", (("q", "a", 1),)))


def is_cancelled_in_hand(staff: Staff) -> None:
    staff.worker.exchanger.trip(1)
    acts.cancel_one(staff.system.store, "q/a")
    staff.worker.finish(staff.worker.start(), Kind.CANCELLED)
    staff.worker.exchanger.trip(0)


def is_deleted_by_its_handle(staff: Staff) -> None:
    staff.handle.delete()


def is_deleted_by_name(staff: Staff) -> None:
    acts.delete_one(staff.system.store, "q/a")


def is_resolved(staff: Staff) -> None:
    staff.let_wait()
    staff.handle.resolve(result=1)


def is_resolved_by_an_envelope(staff: Staff) -> None:
    staff.let_wait()
    staff.system.redis("HSET", staff.system.key("job:a"), "token", "1 t")
    staff.system.push({"resolve": "a", "token": "t"})
    staff.worker.exchanger.trip(0)


def is_resolved_by_an_envelope_after_its_queue_was_divided(staff: Staff) -> None:
    staff.let_wait()
    staff.system.redis("HSET", staff.system.key("job:a"), "token", "1 t")
    run_steps(staff.system.run, repartition("q", 3))
    staff.system.push({"resolve": "a", "token": "t"})
    staff.worker.exchanger.trip(0)


def waits_too_long(staff: Staff) -> None:
    staff.let_wait()
    staff.system.clock.advance(1000)
    staff.housekeeping.do(["q"])


DEATHS = [
    dies,
    dies_before_a_long_job,
    expires,
    crashes,
    is_lost_and_reaped_by_a_worker,
    is_lost_and_reaped_by_a_daemon,
    is_cancelled_by_its_handle,
    is_cancelled_by_name,
    is_cancelled_with_others,
    is_cancelled_in_hand,
    is_cancelled_behind_a_long_job,
    waits_too_long,
]
WAYS = [
    *DEATHS, succeeds, is_deleted_by_its_handle, is_deleted_by_name, is_resolved, is_resolved_by_an_envelope,
    is_resolved_by_an_envelope_after_its_queue_was_divided,
]  # fmt: skip


@pytest.fixture
def staff(
    system: QueueSystem, connect: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Staff]:
    """None of them has to leave off for want of time."""
    for module, name in ((passing_on, "_FOR_S"), (housekeeping, "_TURN_S"), (flows, "_GOES_ON_FOR_S")):
        monkeypatch.setattr(module, name, 60.0)
    made = Staff(system, connect(system.url), tmp_path)
    yield made
    made.worker.board.close()


def open_batch(system: QueueSystem, home: str, on_dead: OnDead = OnDead.WAIT) -> None:
    system.run(batches.open_batch(home, "b", "nonce", on_dead, 1000, b"", ALWAYS))
    system.add("a", fields=("flow", "b", "batch", f"{home}/b"))
    run_steps(system.run, deliver_flow("q"))


@pytest.mark.parametrize("home", ["q", "home"])
@pytest.mark.parametrize("ends", WAYS, ids=lambda way: way.__name__)
def test_what_is_called_in_another_queue_begins_at_once_however_a_member_ends(
    staff: Staff, home: str, ends: Callable[[Staff], None]
) -> None:
    open_batch(staff.system, home)
    staff.system.run(batches.close_batch(home, "b", 1))
    ends(staff)
    assert staff.system.ids("ready", "third") == ["b.always"]
    for queue in {"q", home}:
        assert staff.system.ids("transfers", queue) == staff.system.ids("notices", queue) == []


@pytest.mark.parametrize("home", ["q", "home"])
@pytest.mark.parametrize("dies", DEATHS, ids=lambda way: way.__name__)
def test_a_member_that_dies_however_has_the_others_cancelled_at_once_wherever_they_are(
    staff: Staff, home: str, dies: Callable[[Staff], None]
) -> None:
    open_batch(staff.system, home, OnDead.CANCEL)
    staff.system.add("far", queue="other", fields=("flow", "b", "batch", f"{home}/b"))
    run_steps(staff.system.run, deliver_flow("other"))
    staff.system.run(batches.close_batch(home, "b", 2))
    dies(staff)
    assert (staff.system.ids("dead", "other"), staff.system.ids("ready", "third")) == (["far"], ["b.always"])
    for queue in {"q", "other", home}:
        assert staff.system.ids("transfers", queue) == staff.system.ids("notices", queue) == []


def closes(staff: Staff) -> None:
    close_batch(staff.system.store, "q/b", 1)


def closes_by_a_handle(staff: Staff) -> None:
    engine: Any = staff.system
    Batch("q", "b", engine, added=1).close()


def pushes_to_a_worker(staff: Staff) -> None:
    staff.system.push({"close": "q/b", "count": 1})
    staff.worker.exchanger.trip(0)


def pushes_while_workers_are_busy(staff: Staff) -> None:
    staff.system.push({"close": "q/b", "count": 1})
    staff.housekeeping.inboxes.note(["q"])
    staff.housekeeping.inboxes.take_in()


@pytest.mark.parametrize("closes", [closes, closes_by_a_handle, pushes_to_a_worker, pushes_while_workers_are_busy])
def test_what_is_called_in_another_queue_begins_at_once_when_a_batch_is_closed_after_its_members_have_ended(
    staff: Staff, closes: Callable[[Staff], None]
) -> None:
    open_batch(staff.system, "q")
    staff.end()
    closes(staff)
    assert staff.system.ids("ready", "third") == ["b.always"]


def test_chains_of_a_batch_go_through_partitions_and_queues_at_whichever_nodes_in_trips_of_one_worker(
    system: QueueSystem, connect: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_on, "_FOR_S", 60.0)
    monkeypatch.setattr(ingestion, "_PASSING_ON_S", 60.0)
    places = run_steps(system.run, repartition("wide", 3)).names
    store = connect(system.url)
    store._now_ms = system.clock
    worker = ProcesslessWorker(system, store, tmp_path, ("home", "wide", *places, "far"))
    steps = [json.dumps({"job": "step", "queue": queue}) for queue in ("far", "wide")]
    always = [json.dumps({"job": "over", "queue": "wide"})]
    system.push({"open": "home/b", "always": always}, queue="home")
    for number in range(20):
        system.push({"job": "first", "id": f"m{number}", "batch": "home/b", "then": steps}, queue="wide")
    system.push({"close": "home/b", "count": 20}, queue="home")

    ran = Counter[str]()
    for _ in range(60):  # a worker that found nothing is woken for what it has brought to another queue
        trip = worker.exchanger.trip(5)
        for job in (worker.start() for _ in trip.jobs):
            ran[job.name] += 1
            worker.batch.finish(job, Outcome(job, Kind.DONE, line=b"{}"))

    assert ran == {"first": 20, "step": 40, "over": 1}
    assert system.run(batches.batch_status("home", "b")).state is BatchState.SUCCEEDED
    worker.board.close()
