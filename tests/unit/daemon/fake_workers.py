"""Workers without processes, of a real `WorkerProcesses`: they say what the test lets them say, and die when it wants.

workers.start(seat=0)                  # as the daemon starts one; its board and control socket are real
workers.say(worker, "ready", …)        # what the worker tells its daemon
workers.heard(worker)                  # what it was told
workers.die(worker, code=9, "failed", error="…")
"""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jqjobs.daemon.workers.spawn import WorkerProcess
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.link.board import Board
from jqjobs.link.channel import Channel

#: Above any pid that Linux gives (pid_max is at most 2^22), so no signal reaches a stranger.
_NOBODY = 2**22 + 1


class Process:
    """What `WorkerProcesses` sees of a process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        self.signals: list[signal.Signals] = []

    def poll(self) -> int | None:
        return self.code

    def send_signal(self, number: signal.Signals) -> None:
        self.signals.append(number)


class FakeWorkers:
    """A `WorkerProcesses` whose workers are made of a board and a control socket."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ends: dict[str, Channel] = {}
        self._boards: list[Board] = []
        self.cannot_start = False
        relay: Any = SimpleNamespace(pipes=lambda: None)
        self.processes = WorkerProcesses("host:1:test", directory, lambda worker_id, board, fd: "", directory, relay)

    def spawn(
        self, seat: int, worker_id: str, made: Board, directory: Path, configure: Any, pipes: None
    ) -> WorkerProcess:  # fmt: skip
        """Stand in for `daemon.spawn.spawn`; its workers have short names, and boards of that name."""
        made.remove()
        if self.cannot_start:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        ours, theirs = socket.socketpair()
        name = f"w{len(self._boards)}"
        board = Board.create(self._directory / f"{name}.board")
        self._boards.append(board)
        self._ends[name] = Channel(theirs)
        process: Any = Process(_NOBODY + len(self._boards))
        return WorkerProcess(name, seat, process, Channel(ours, patient=False), board, time.monotonic())

    def start(self, *seats: int) -> list[WorkerProcess]:
        started = [self.processes.start(seat) for seat in seats]
        return [worker for worker in started if worker is not None]

    def start_ready(self, *seats: int) -> list[WorkerProcess]:
        """Start workers that are at work already."""
        started = self.start(*seats)
        for worker in started:
            worker.state = "ready"
        return started

    def say(self, worker: WorkerProcess, event: str, **facts: Any) -> None:
        self._ends[worker.id].send(event, **facts)

    def heard(self, worker: WorkerProcess) -> list[str]:
        """Return the words that came since the last call."""
        return [message["event"] for message in self._ends[worker.id].receive()]

    def die(self, worker: WorkerProcess, code: int = -9) -> None:
        """Have its process be dead: the daemon has not noticed yet."""
        worker.process.code = code  # type: ignore[attr-defined]

    def end(self, worker: WorkerProcess, code: int = -9) -> None:
        """Have it dead and noticed."""
        self.die(worker, code)
        assert [dead.id for dead, _ in self.processes.take_dead()] == [worker.id]

    def names(self) -> list[str]:
        """Return the ids of the workers that are to stay, oldest first."""
        return [worker.id for worker in self.processes if worker.plan is None]

    def close(self) -> None:
        for worker in self.processes:
            worker.channel.close()
        for end in self._ends.values():
            end.close()
        for board in self._boards:
            board.close()


class Clock:
    """A clock that only the test moves."""

    now_s = 10_000.0

    def __call__(self) -> float:
        return self.now_s
