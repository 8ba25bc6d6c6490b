"""A machine on which only the test moves memory and time, and the daemon's memory guard on it.

host.start_worker("a", rss_mib=40)          # a worker that has become ready
host.set_memory(-50, a=300)         # short by 50 MiB, and "a" takes 300 now
host.turn()                         # half a second later the main loop turns
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.memory.free_memory import MemorySample
from jqjobs.daemon.memory.guard import MemoryGuard
from jqjobs.daemon.workers.stop_plans import StopPlan
from jqjobs.jobs.taken_job import TakenJob
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Stage, Word
from unit.link.boards import mark_all, run_only

MIB = 1 << 20
RESERVE_MIB, TOTAL_MIB = 256, 2048
#: Samples are this far apart when nobody asks.
PACE_S = 0.5


@dataclass
class Line:
    """The control socket, as far as the daemon speaks on it."""

    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, event: str, **facts: Any) -> None:
        self.said.append((event, facts))

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        said, self.said = self.said, []
        return said


@dataclass
class Worker:
    """A worker process that is only looked at."""

    id: str
    pid: int
    board: Board
    channel: Line = field(default_factory=Line)
    state: str = "starting"
    plan: StopPlan | None = None

    def run(self, job_id: str) -> None:
        run_only(self.board, TakenJob("q", job_id, 1, "name", b""))

    def finish(self) -> None:
        mark_all(self.board, Stage.SUCCEEDED)

    @property
    def takes_nothing(self) -> bool:
        return self.board.word(Word.ALLOWANCE) == 1

    @property
    def allowance_mib(self) -> float:
        return self.board.word(Word.ALLOWANCE) / MIB


@dataclass
class WorkerProcesses:
    """The workers of the daemon."""

    by_id: dict[str, Worker] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    #: Workers of other daemons.
    elsewhere: int = 0

    def workers_here(self) -> int:
        return len(self.by_id) + self.elsewhere

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self.by_id.values()))

    def stop(self, worker: Worker, plan: StopPlan) -> None:
        self.stopped.append(worker.id)
        worker.state, worker.plan = "stopping", plan


class Host:
    """The machine, its probe and its daemon. ``room_mib``: free beyond the reserve."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.room_mib = 1000.0
        self.decided_by = "host"
        self.samples = 0
        self.knows = True
        self.rss_mib: dict[int, float] = {}
        self.now_s = 5000.0
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.processes = WorkerProcesses()
        self.boards: list[Board] = []
        self.guard = self.make_guard()
        monkeypatch.setattr("jqjobs.daemon.memory.guard.rss_bytes", lambda pid: int(self.rss_mib[pid] * MIB))
        monkeypatch.setattr("time.monotonic", lambda: self.now_s)
        monkeypatch.setattr("jqjobs.base.log.event", lambda name, **facts: self.events.append((name, facts)))

    def make_guard(self, reserve_mib: int = RESERVE_MIB, max_rss_mib: int = 0) -> MemoryGuard:
        self.guard = MemoryGuard(self.processes, self, reserve_mib * MIB, max_rss_mib * MIB)  # type: ignore[arg-type]
        return self.guard

    def sample(self) -> MemorySample | None:
        self.samples += 1
        free = int((self.room_mib + RESERVE_MIB) * MIB)
        return MemorySample(free, TOTAL_MIB * MIB, self.decided_by) if self.knows else None

    def start(self, name: str, rss_mib: float = 40) -> Worker:
        """Have a worker start."""
        board = Board.create(self.directory / f"{name}.board")
        self.boards.append(board)
        worker = self.processes.by_id[name] = Worker(name, len(self.rss_mib) + 1, board)
        self.rss_mib[worker.pid] = rss_mib
        self.guard.look()
        return worker

    def start_worker(self, name: str, rss_mib: float = 40) -> Worker:
        """Have a worker start and say that it is ready, and the daemon give it its lease a turn later."""
        worker = self.start(name, rss_mib)
        worker.state = "joining"
        self.guard.look()
        worker.state = "ready"
        return worker

    def end(self, worker: Worker) -> None:
        del self.processes.by_id[worker.id]

    def turn(self, seconds: float = PACE_S) -> None:
        """Let time pass, and the daemon's main loop turn once."""
        self.now_s += seconds
        self.guard.look()

    def set_memory(self, room_mib: float, **rss_mib: float) -> None:
        """Set what is free beyond the reserve, and how large workers are."""
        self.room_mib = room_mib
        self.rss_mib |= {self.processes.by_id[name].pid: size for name, size in rss_mib.items()}

    def said(self, event: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.events if name == event]

    def close(self) -> None:
        for board in self.boards:
            board.close()

    def grant(self, worker: Worker, job_id: str, need_mib: float) -> dict[str, Any]:
        """Have a worker ask for room for the job that it is to run; return the answer."""
        worker.channel.take()
        worker.run(job_id)
        self.guard.grant(worker, job_id, int(need_mib * MIB))  # type: ignore[arg-type]
        [(event, facts)] = worker.channel.take()
        assert (event, facts["job"]) == ("room", job_id)
        return facts
