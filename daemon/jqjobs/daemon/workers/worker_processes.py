"""The workers of one daemon: started, spoken to, pressed to their end, and found dead. Decides nothing."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jqjobs.base import log
from jqjobs.base.clock import monotonic_ms
from jqjobs.base.process import MORE_PROCESSES, describe_exit, identity_of
from jqjobs.daemon.lease_messages import Charge
from jqjobs.daemon.output.relay import Relay
from jqjobs.daemon.workers import stop_plans
from jqjobs.daemon.workers.spawn import Configure, WorkerProcess, new_worker_id, spawn
from jqjobs.link.board import Board
from jqjobs.link.board_layout import Word

#: What is said before the signal is sent: a job may keep that from its worker.
_IN_WORDS = {signal.SIGTERM: "drain", signal.SIGQUIT: "stop"}
_ROOM = "make room in {boards}, where the boards of workers lie, or choose another place with --runtime-dir"
#: What to do where the system does not let a worker start.
_HINTS = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _ROOM,
    errno.EMFILE: "raise the limit of open files: ulimit -n, LimitNOFILE= of systemd, minfds= of supervisord",
    errno.EAGAIN: MORE_PROCESSES,
    errno.EFBIG: "raise the limit of file sizes: ulimit -f, LimitFSIZE= of systemd",
    errno.ENOENT: "workers run in --directory, on the Python of this jqd: both must be there",
}


class WorkerProcesses:
    """All worker processes that were started and not yet waited for."""

    def __init__(
        self, daemon_id: str, boards: Path, configure: Configure, directory: Path, relay: Relay
    ) -> None:  # fmt: skip
        """``directory``: where workers run; looked up anew for each, so a swapped release link takes effect."""
        self._boards = boards
        self._directory = directory
        self._daemon_id = daemon_id
        self._configure = configure
        self._relay = relay
        self.identity = identity_of(os.getpid())
        self.started_ms = monotonic_ms()
        self.by_id: dict[str, WorkerProcess] = {}

    def __iter__(self) -> Iterator[WorkerProcess]:
        return iter(list(self.by_id.values()))

    def start(self, seat: int) -> WorkerProcess | None:
        """Start a worker in a seat; None (and a log line) when the system does not let it."""
        worker_id = new_worker_id()
        try:
            board = Board.create(self._boards / f"{worker_id}.board")
            # Before there is a process: a daemon that is killed now leaves a board that says whose it was.
            board.write_header({**self._about_us(), "worker_id": worker_id, "is_starting": True})
            worker = spawn(seat, worker_id, board, self._directory, self._configure, self._relay.pipes())
        except OSError as error:
            hint = _HINTS.get(error.errno or 0, "").format(boards=self._boards) or None
            log.event("worker.not_started", level=log.ERROR, error=str(error), hint=hint)
            return None
        self.describe(worker)
        self.by_id[worker.id] = worker
        log.event("worker.started", worker=worker.id, pid=worker.pid)
        return worker

    def describe(self, worker: WorkerProcess) -> None:
        """Write into a worker's board who it and its daemon are, for whoever finds it after the daemon's death."""
        about = {"worker_id": worker.id, "worker": worker.identity, "queues": list(worker.queues)}
        worker.board.write_header({**self._about_us(), **about})

    def _about_us(self) -> dict[str, object]:
        return {"daemon": self.identity.as_dict(), "daemon_id": self._daemon_id}

    def workers_here(self) -> int:
        """Return how many workers the daemons of this host have, as far as they share our runtime directory."""
        try:
            return sum(entry.name.endswith(".board") for entry in os.scandir(self._boards))
        except OSError:  # it was deleted, see `lost_boards`
            return len(self.by_id)

    def seats(self) -> set[int]:
        """Return the seats that have a worker which is to stay."""
        return {worker.seat for worker in self if worker.plan is None or not worker.plan.frees_seat}

    def ready(self) -> int:
        """Return how many workers take jobs."""
        return sum(worker.state == "ready" for worker in self)

    def stop(self, worker: WorkerProcess, plan: stop_plans.StopPlan) -> None:
        """Bring a worker to its end; a worker that is still booting has nothing to finish."""
        booting = worker.state in ("starting", "joining")
        worker.state = "stopping"
        worker.plan = stop_plans.sooner(worker.plan, stop_plans.boot_plan(time.monotonic()) if booting else plan)

    def press(self) -> None:
        """Send each stopping worker the signal that is due now, once: idle ones first.

        Else one that has not heard yet could take the job that another one has just been made to give back.
        """
        now_s = time.monotonic()
        due = [(worker, stop_plans.due_signal(worker.plan, now_s)) for worker in self if worker.plan]
        pressed = [(worker, number) for worker, number in due if number is not worker.sent]
        for worker, number in sorted(pressed, key=lambda pair: bool(pair[0].board.running())):
            if number in _IN_WORDS and not worker.channel.closed:
                worker.channel.send(_IN_WORDS[number])
            worker.send(number)
            worker.sent = number

    def tell(self, event: str) -> None:
        """Tell all workers something."""
        for worker in self:
            if not worker.channel.closed:
                worker.channel.send(event)

    def messages(self) -> Iterator[tuple[WorkerProcess, dict[str, Any]]]:
        """Yield what workers have said."""
        for worker in self:
            if not worker.channel.closed:
                yield from ((worker, message) for message in worker.channel.receive())

    def take_dead(self) -> Iterator[tuple[WorkerProcess, int]]:
        """Yield the workers that ended, with their exit codes; they are no longer among these."""
        for worker in self:  # SIGCHLD coalesces, so all pids are looked at
            code = worker.process.poll()
            if code is None:
                continue
            del self.by_id[worker.id]
            if code != 0:
                worker.kill_descendants()
            self._hear_last_words(worker)
            yield worker, code

    def _hear_last_words(self, worker: WorkerProcess) -> None:
        for message in [] if worker.channel.closed else worker.channel.receive():
            worker.error = str(message.get("error", worker.error))
            if message["event"] == "files":
                worker.last_files.append(message)
        worker.channel.close()


def charge(worker: WorkerProcess, code: int) -> Charge:
    """Return why a worker is dead; what its jobs are charged follows from that."""
    running = [entry.token for entry in worker.board.running()]
    if worker.killed_for and worker.killed_at in running:
        return Charge(worker.killed_for, killed_as=worker.killed_as, only=worker.killed_at)
    if worker.killed_for or worker.sent in (signal.SIGQUIT, signal.SIGKILL):
        return Charge("its worker was stopped before the job ended", was_stopped=True)
    if worker.board.word(Word.DRAINING):
        return Charge(f"{describe_exit(code)} during a drain", was_stopped=True)
    others = f"; it ran {len(running)} jobs" if len(running) > 1 else ""
    return Charge(describe_exit(code) + others)
