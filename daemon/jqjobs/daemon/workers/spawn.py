"""Starts a worker by exec, and is the daemon's handle on it: process, control socket, board.

By exec and never by bare fork: each start loads clean code and inherits no lock or connection, and the
daemon may use threads. Must be called from a thread that lives as long as the daemon, because the kernel
sends PDEATHSIG when the *thread* that started the child ends.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jqjobs.base.clock import monotonic_ms
from jqjobs.base.process import host_name, identity_of
from jqjobs.daemon.output.worker_pipes import WorkerPipes
from jqjobs.daemon.workers.code_release import release_in
from jqjobs.daemon.workers.stop_plans import StopPlan
from jqjobs.jobs.records import AttemptRef
from jqjobs.link.board import Board
from jqjobs.link.channel import Channel
from jqjobs.link.stacks import DUMP_SIGNAL, clear_stacks

#: (worker id, path of its board, descriptor of its control socket) → what the worker is told, as JSON.
Configure = Callable[[str, str, int], str]


@dataclass(slots=True)
class WorkerProcess:
    """One worker as its daemon sees it. ``state``: starting, joining, ready, stopping. ``release``: of its code."""

    id: str
    seat: int
    process: subprocess.Popen[bytes]
    channel: Channel
    board: Board
    started_s: float
    release: str = ""
    queues: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    has_outbox: bool = False
    state: str = "starting"
    plan: StopPlan | None = None
    sent: signal.Signals | None = None
    killed_for: str = ""
    killed_as: str = ""
    killed_at: AttemptRef | None = None
    stacks: str = ""
    stacks_asked_s: float | None = None
    error: str = ""
    last_files: list[dict[str, Any]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    identity: dict[str, object] = field(default_factory=dict)
    started_ms: int = field(default_factory=monotonic_ms)

    @property
    def pid(self) -> int:
        """The worker's process id; it stays ours until it is waited for."""
        return self.process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a worker that is gone already does not mind."""
        try:
            self.process.send_signal(number)
        except ProcessLookupError:
            return

    def ask_for_stacks(self) -> None:
        """Have the worker write down where its threads are; it is there within a moment, `read_stacks` has it."""
        clear_stacks(self.board.path)
        self.stacks_asked_s = time.monotonic()
        self.send(DUMP_SIGNAL)

    def kill_descendants(self) -> None:
        """Kill what the dead worker's jobs have started and left: its process group outlives it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def new_worker_id() -> str:
    """Return ``host:number:random``, at most 64 bytes; the number is the daemon's pid. Never used twice."""
    host = "".join(c for c in host_name() if c.isascii() and (c.isalnum() or c in "._-"))[:40]
    return f"{host}:{os.getpid()}:{secrets.token_hex(4)}"


def spawn(
    seat: int, worker_id: str, board: Board, directory: Path, configure: Configure, pipes: WorkerPipes
) -> WorkerProcess:  # fmt: skip
    """Start one worker in ``directory``.

    Raises: OSError when the process cannot be made; its board is removed then.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(board.remove)
        release = release_in(directory)
        ours, theirs = socket.socketpair()
        undo.callback(ours.close)
        with theirs:
            configuration = configure(worker_id, str(board.path), theirs.fileno())
            process = _start_process(worker_id, directory, configuration, theirs, pipes)
        undo.pop_all()
    worker = WorkerProcess(worker_id, seat, process, Channel(ours, patient=False), board, time.monotonic(), release)
    worker.identity = dict(identity_of(process.pid).as_dict())
    return worker


def _start_process(
    worker_id: str, directory: Path, configuration: str, channel: socket.socket, pipes: WorkerPipes
) -> subprocess.Popen[bytes]:  # fmt: skip
    with pipes:
        process = subprocess.Popen(
            [sys.executable, "-m", "jqjobs.worker", worker_id],
            env={**worker_environment(), "JQ_WORKER": configuration},
            cwd=os.fspath(directory),  # an error that names it shows it as it is written
            stdin=subprocess.DEVNULL,
            stdout=pipes.stdout,
            stderr=pipes.stderr,
            pass_fds=[channel.fileno(), *pipes.read_ends],
            process_group=0,  # Ctrl-C in a terminal reaches the daemon only
        )
        pipes.belong_to(process.pid)
    return process


def worker_environment() -> dict[str, str]:
    """What workers inherit: all but the daemon's own line to systemd."""
    own = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
    return {name: value for name, value in os.environ.items() if name not in own}
