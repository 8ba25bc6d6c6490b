"""What the lease keeper does in Redis, step by step: leases given, kept and lost; the dead ended; who is here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.base.process import identity_of
from jqjobs.daemon.lease_messages import Charge, EndWorker, Join, LeaseEvent, Recall, Report
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreError
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage, Word
from jqjobs.store.call import Call
from jqjobs.store.calls import leases
from jqjobs.store.calls.cancels import cancel
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.reads.rosters import offered_names
from store.queue_system import LEASE_MS, QueueSystem
from unit.link.boards import worker_side

DEAD = replace(identity_of(os.getpid()), boot_id="an earlier boot").as_dict()


class KeptWorkers:
    """A `LeaseKeeper` on a queue system, the boards of its workers, and what it tells the main loop."""

    def __init__(self, system: QueueSystem, directory: Path) -> None:
        self.system = system
        self._directory = directory
        self.told: list[LeaseEvent] = []
        self.boards: dict[str, Board] = {}
        settings = DaemonSettings("shop:app", system.url, lease_s=LEASE_MS / 1000)
        self.keeper = LeaseKeeper(settings, "h:1:d", system.store, directory, self.told.append)

    def join(self, worker: str, *queues: str, offers: Sequence[str] = ("mail",)) -> Board:
        board = self.boards[worker] = Board.create(self._directory / f"{worker}.board")
        self.keeper.do(Join(worker, queues or ("q",), leases.roster(offers), board))
        return board

    def take(self, worker: str, want: int = 1) -> list[TakenJob]:
        """Have a worker take jobs, and note them on its board."""
        self.system.trips.setdefault(worker, 0)
        jobs = self.system.take(worker, want)
        worker_side(self.boards[worker]).add(jobs)
        return jobs

    def end(self, worker: str, charge: Charge) -> None:
        self.keeper.do(EndWorker(worker, ("q",), charge, self.boards[worker]))

    def has_lease(self, worker: str) -> bool:
        return self.boards[worker].word(Word.LEASE_UNTIL) > monotonic_ms() + LEASE_MS / 2


@pytest.fixture
def kept(system: QueueSystem, tmp_path: Path) -> Iterator[KeptWorkers]:
    made = KeptWorkers(system, tmp_path)
    yield made
    for board in made.boards.values():
        board.close()


def test_a_worker_that_joins_has_its_lease_on_the_board_and_in_redis(kept: KeptWorkers) -> None:
    assert not kept.keeper.has_joined
    kept.join("w")
    assert (kept.told, kept.has_lease("w"), kept.keeper.has_joined) == ([LeaseEvent("joined", "w")], True, True)
    assert kept.system.ids("leases") == ["w"]


def test_a_worker_that_was_here_before_is_fenced(kept: KeptWorkers) -> None:
    kept.system.join("w")
    kept.system.run(leases.leave("q", "w"))
    kept.join("w")
    assert (kept.told, kept.has_lease("w")) == ([LeaseEvent("fenced", "w")], False)


def test_all_leases_are_renewed_and_who_has_lost_its_own_is_fenced(kept: KeptWorkers) -> None:
    for worker in ("stays", "reaped"):
        kept.join(worker).set_word(Word.LEASE_UNTIL, monotonic_ms() + 1)
    kept.told.clear()
    kept.system.run(leases.leave("q", "reaped"))
    before = kept.system.score("leases", "stays")
    kept.system.clock.advance(1000)
    kept.keeper.renew()
    assert (kept.has_lease("stays"), kept.boards["reaped"].word(Word.LEASE_UNTIL)) == (True, 0)
    assert kept.told == [LeaseEvent("fenced", "reaped")]
    assert before is not None
    assert kept.system.score("leases", "stays") == before + 1000
    kept.keeper.renew()
    assert len(kept.told) == 1, "it is said once"


def test_what_workers_offer_is_sent_once_and_renewed_by_its_digest(kept: KeptWorkers) -> None:
    """While code is reloaded there are two rosters; of a Redis that has forgotten them, both are sent again."""
    kept.system.skip_unless_one_call(["q", "r"])
    offers = ["mail", "report"], ["mail", "invoice"]
    for nth, names in enumerate((*offers, *offers)):
        kept.join(f"w{nth}", "q", "r", offers=names)
    sent = Counter[str]()
    for new, redis_forgets in ((True, False), (False, False), (True, True)):
        if redis_forgets:
            kept.system.redis("FLUSHALL")
        sent.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kept.system.store, "run_many", counting(kept.system.store.run_many, sent))
            kept.keeper.renew()
        assert sent == {"add_queues": 1, "renew": 1} | ({"offer": 4} if new else {})
        now_ms = kept.system.clock.now_ms
        assert offered_names(kept.system.store, ["q", "r"], now_ms) == [["invoice", "mail", "report"]] * 2
        kept.told.append(LeaseEvent("seen"))


def counting(run: Callable[..., Any], sent: Counter[str]) -> Callable[..., Any]:
    def run_and_count(calls: Sequence[Call[Any]]) -> Any:
        sent.update(call.script.name for call in calls)
        return run(calls)

    return run_and_count


def test_a_queue_that_is_broken_costs_the_others_no_lease(kept: KeptWorkers) -> None:
    """Those that go in one call with it are renewed one by one then, and all that is told of them is heard."""
    kept.join("w", "q", "r", "s")
    kept.join("gone", "q", "r", "s")
    kept.system.redis("DEL", kept.system.key("leases", "r"))
    kept.system.redis("SET", kept.system.key("leases", "r"), "x")
    kept.system.run(leases.leave("s", "gone"))
    kept.system.clock.advance(1000)
    with pytest.raises(StoreError):
        kept.keeper.renew()
    until_ms = kept.system.clock.now_ms + LEASE_MS
    assert [kept.system.score("leases", "w", queue) for queue in ("q", "s")] == [until_ms, until_ms]
    assert kept.told[-1] == LeaseEvent("fenced", "gone")


def test_the_dead_are_ended_as_their_board_says_and_not_renewed(kept: KeptWorkers) -> None:
    board = kept.join("w")
    kept.system.add("ran", "waited")
    running, _ = kept.take("w", 2)
    worker_side(board).mark(running.place, Stage.RUNNING, 1)
    kept.end("w", Charge("killed by SIGSEGV"))
    assert (kept.system.counters("ran").get("crashes"), kept.system.states("waited")) == (1, ["ready"])
    assert not board.path.exists()
    kept.keeper.renew()
    assert (kept.system.ids("leases"), kept.told) == ([], [LeaseEvent("joined", "w")])


def test_one_that_had_very_much_in_hand_is_ended_in_parts_all_of_it(kept: KeptWorkers) -> None:
    kept.join("w")
    kept.system.add(*[f"j{n}" for n in range(2 * leases.MOST_ENDED + 7)])
    kept.take("w", 2 * leases.MOST_ENDED + 7)
    kept.end("w", Charge("killed by SIGSEGV"))
    assert (kept.system.active(), kept.system.ids("leases")) == ({}, [])
    assert len(kept.system.ids("ready")) == 2 * leases.MOST_ENDED + 7


def test_a_recall_takes_back_what_has_not_started(kept: KeptWorkers) -> None:
    kept.join("w")
    kept.system.add("a")
    [job] = kept.take("w")
    kept.keeper.do(Recall("w", (("q", "a", job.attempt),)))
    assert kept.system.states("a") == ["ready"]


def test_the_workers_of_a_dead_daemon_are_taken_over(kept: KeptWorkers) -> None:
    board = kept.join("w")
    kept.system.add("a")
    [job] = kept.take("w")
    worker_side(board).mark(job.place, Stage.RUNNING, 1)
    board.write_header({"worker_id": "w", "worker": DEAD, "daemon": DEAD, "daemon_id": "h:0:x", "queues": ["q"]})
    kept.keeper.take_over_orphans()
    assert (kept.system.ids("leases"), board.path.exists()) == ([], False)
    assert kept.system.counters("a").get("crashes") is None, "it may have been a bystander"


def test_a_daemon_is_in_the_registry_until_it_deregisters(kept: KeptWorkers) -> None:
    kept.system.store._now_ms = None  # the registry is read by the clock of Redis
    kept.keeper.register(Report({"name": "web", "state": "running", "workers": "w"}, {"w": {"pid": 7}}))
    [daemon] = read_registry(kept.system.store).daemons
    assert (daemon.id, daemon.name, [worker.pid for worker in daemon.workers]) == ("h:1:d", "web", [7])
    kept.keeper.deregister()
    assert read_registry(kept.system.store).daemons == ()


def test_envelopes_that_a_busy_daemon_sees_are_taken_in_from_all_queues_by_turns(kept: KeptWorkers) -> None:
    kept.join("w", "q", "r")
    kept.system.push(*[{"job": "mail"}] * 250)
    kept.system.push({"job": "mail"}, queue="r")
    about = {"name": "web", "state": "running"}
    kept.keeper.register(Report(about))
    assert not kept.keeper.housekeeping.inboxes.are_filled, "idle workers do it themselves"
    kept.keeper.register(Report(about, is_busy=True))
    for _ in range(100):  # turns of the lease thread; a slow host does less in each
        assert (kept.system.ids("ready", "r") != []) or (len(kept.system.ids("ready")) <= 100)
        if kept.keeper.housekeeping.inboxes.are_filled:
            kept.keeper.housekeeping.inboxes.take_in()
    assert (len(kept.system.ids("ready")), len(kept.system.ids("ready", "r"))) == (250, 1)
    assert not kept.keeper.housekeeping.inboxes.are_filled


def test_a_busy_daemon_asks_queue_by_queue_only_when_anything_is_cancelled(kept: KeptWorkers) -> None:
    kept.system.skip_unless_one_call(["q", "r"])
    board = kept.join("w", "q", "r")
    kept.system.add("a")
    [job] = kept.take("w")
    report = Report({"name": "web", "state": "running"}, is_busy=True)
    kept.keeper.register(report)
    sent = Counter[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept.system.store, "run_many", counting(kept.system.store.run_many, sent))
        kept.keeper.register(report)
        assert sent == {"beat": 1}
        kept.system.run(cancel("q", [job.id]))
        kept.keeper.register(report)
    assert sent == {"beat": 2, "cancels": 2}
    assert [entry.cancelled_ms > 0 for entry in board.entries()] == [True]


def test_the_memory_of_redis_is_noted_once_a_minute_whoever_asks(kept: KeptWorkers) -> None:
    for _ in range(2):
        kept.keeper.note_memory()
    samples = [int(sample.split()[1]) for sample in kept.system.redis("ZRANGE", "jq:{~}:memory", 0, -1)]
    assert [used > 0 for used in samples] == ([] if kept.system.kind == "fake" else [True])  # that one does not tell
