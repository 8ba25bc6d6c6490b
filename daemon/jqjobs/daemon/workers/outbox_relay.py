"""The relay of the app's outbox, a process beside the workers: started, replaced, ended. The daemon opens no database.

a worker is ready whose app has an outbox ──▶ started ──▶ dies ──▶ started again, after a pause that grows
the first one of a deploy is ready ─────────▶ ended, and started with the new code
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jqjobs.base import log
from jqjobs.daemon.output.worker_pipes import WorkerPipes
from jqjobs.daemon.workers.spawn import WorkerProcess, worker_environment
from jqjobs.daemon.workers.stop_plans import Life, Restart, after_death
from jqjobs.daemon.workers.worker_processes import WorkerProcesses
from jqjobs.link.channel import Channel
from jqjobs.link.relay_config import VARIABLE
from jqjobs.link.relay_report import DEAD, RelayReport

#: A relay that is told to end has so long for the rows it has in hand.
_ENDS_WITHIN_S = 3.0


class OutboxRelay:
    """One per daemon."""

    def __init__(
        self, workers: WorkerProcesses, configure: Callable[[int], str], directory: Path,
        pipes: Callable[[], WorkerPipes], *, is_told: bool,
    ) -> None:  # fmt: skip
        """``configure``: returns what the process is told, as JSON, by the descriptor of its channel. ``directory``:
        where workers run. ``is_told``: the settings name a database, whatever the app says.
        """
        self._workers = workers
        self._is_told = is_told
        self._configure = configure
        self._directory = directory
        self._pipes = pipes
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._report, self._heard_s = RelayReport(), 0.0
        self._started_s = 0.0
        self._is_wanted = False
        self._restart = Restart()
        self._old_since_s: float | None = None
        self._kill_at_s: float | None = None

    @property
    def pids(self) -> frozenset[int]:
        """The process, while it is not waited for."""
        return frozenset([self._process.pid] if self._process else [])

    def replace(self) -> None:
        """There is new code: have another process, once a worker is ready with it, so that it is known to work."""
        self._old_since_s = time.monotonic()

    def look(self) -> None:
        """See what the newest worker says and whether the process has ended; start one if it is time for that."""
        self._hear_newest()
        self._hear_relay()
        if self._process is not None:
            self._see_end(self._process)
        if self._process is None and self._is_wanted and time.monotonic() >= self._restart.at_s:
            self._start_process()

    def _hear_newest(self) -> None:
        newest = max((each for each in self._workers if each.state == "ready"), key=_started_s, default=None)
        if newest is None:
            return
        self._is_wanted = self._is_told or newest.has_outbox
        if not self._is_wanted or (self._old_since_s is not None and newest.started_s > self._old_since_s):
            self._old_since_s = None
            self._tell_to_end()

    def _hear_relay(self) -> None:
        for message in self._channel.receive() if self._channel else ():
            self._report, self._heard_s = RelayReport.from_message(message), time.monotonic()

    def as_json(self) -> str:
        """Return how the relay is, for the registry, see `store.reads.relays`; "" where none is wanted."""
        if not self._is_wanted and self._process is None:
            return ""
        now_s, report = time.monotonic(), self._report
        oldest_s = report.oldest_s + now_s - self._heard_s if report.rows else 0.0
        return json.dumps({
            "state": report.state if self._process else DEAD, "error": report.error,
            "pid": self._process.pid if self._process else None, "age_ms": round((now_s - self._started_s) * 1000),
            "rows": report.rows, "oldest_ms": round(oldest_s * 1000), "old": report.old,
        })  # fmt: skip

    def end(self) -> None:
        """End the process; return when it is gone."""
        self._is_wanted = False
        if self._process is None:
            return
        self._tell_to_end()
        try:
            self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _tell_to_end(self) -> None:
        if self._process is not None and self._kill_at_s is None:
            self._kill_at_s = time.monotonic() + _ENDS_WITHIN_S
            self._process.send_signal(signal.SIGTERM)

    def _see_end(self, process: subprocess.Popen[bytes]) -> None:
        code = process.poll()
        if code is None:
            if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
                process.kill()
            return
        self._process = None
        self._hear_relay()
        if self._kill_at_s is not None:
            self._restart, self._kill_at_s = Restart(), None
            return
        self._plan_successor(process.pid, code)

    def _plan_successor(self, pid: int, code: int) -> None:
        now_s = time.monotonic()
        self._restart = after_death(now_s, Life(now_s - self._started_s), self._restart.early_deaths)
        next_s = round(self._restart.at_s - now_s, 2)
        log.event("outbox.died", level=log.WARNING, pid=pid, code=code, next_start_s=next_s)

    def _start_process(self) -> None:
        self._started_s = time.monotonic()
        try:
            process, channel = self._spawn()
        except OSError as error:
            log.event("outbox.not_started", level=log.ERROR, error=str(error))
            self._restart = after_death(self._started_s, Life(0.0), self._restart.early_deaths)
            return
        if self._channel is not None:
            self._channel.close()
        self._process, self._channel, self._report = process, channel, RelayReport()
        log.event("outbox.started", pid=process.pid)

    def _spawn(self) -> tuple[subprocess.Popen[bytes], Channel]:
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._pipes() as pipes:
                process = subprocess.Popen(
                    [sys.executable, "-m", "jqjobs.outbox"],
                    env={**worker_environment(), VARIABLE: self._configure(theirs.fileno())},
                    cwd=self._directory,
                    stdin=subprocess.DEVNULL,
                    stdout=pipes.stdout,
                    stderr=pipes.stderr,
                    pass_fds=[theirs.fileno(), *pipes.read_ends],
                    process_group=0,  # as for workers: Ctrl-C reaches the daemon only
                )
                pipes.belong_to(process.pid)
        except OSError:
            ours.close()
            raise
        return process, Channel(ours, patient=False)


def _started_s(worker: WorkerProcess) -> float:
    return worker.started_s
