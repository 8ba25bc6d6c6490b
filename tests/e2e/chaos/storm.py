"""Kills workers and daemons while jobs run, paced by the work that gets done: so it takes what a slow machine needs.

One step = some jobs begin → one blow. Blows: kill a worker, kill a daemon, `supervisorctl restart`, TERM to a daemon.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections import Counter

import psutil

from e2e.chaos.producers import Producers
from e2e.chaos.supervision import PATIENCE_S, Fleet, is_alive
from waiting import eventually

#: So many jobs begin between two blows, and so many are enqueued ahead.
_JOBS_PER_BLOW = 10
_BACKLOG = 200
_PORTION = 100


class Storm:
    """One storm over one fleet. ``blows`` counts what was done."""

    def __init__(self, fleet: Fleet, producers: Producers, rng: random.Random, jobs: int) -> None:
        self._fleet = fleet
        self._producers = producers
        self._rng = rng
        self._jobs = jobs
        self._restart: subprocess.Popen[str] | None = None
        self.blows: Counter[str] = Counter()

    def rage(self, worker_kills: int, daemon_kills: int) -> None:
        """Do all of it: that many kills in any order, one restart of everything, one TERM; enqueue all jobs."""
        plan = ["worker"] * worker_kills + ["daemon"] * daemon_kills
        self._rng.shuffle(plan)
        plan.insert(len(plan) // 3, "restart")
        plan.insert(2 * len(plan) // 3, "term")
        for blow in plan:
            self._let_jobs_begin()
            {"worker": self._worker, "daemon": self._daemon, "restart": self._restart_all, "term": self._term}[blow]()
            self.blows[blow] += 1
        self._await_restart()
        while self._left_to_enqueue > 0:
            self._producers.enqueue(min(_PORTION, self._left_to_enqueue))

    @property
    def _left_to_enqueue(self) -> int:
        return self._jobs - len(self._producers.ids)

    def _let_jobs_begin(self) -> None:
        before = self._fleet.ledger.count()
        eventually(lambda: self._begun_since(before) >= _JOBS_PER_BLOW, PATIENCE_S, "jobs begin")

    def _begun_since(self, before: int) -> int:
        begun = self._fleet.ledger.count()
        if len(self._producers.ids) - begun < _BACKLOG:  # executions, so it errs on the side of more jobs
            self._producers.enqueue(_PORTION)
        return begun - before

    def _worker(self) -> None:
        eventually(self._kill_one_worker, PATIENCE_S, "a worker to kill")

    def _kill_one_worker(self) -> bool:
        workers = self._fleet.workers()
        if not workers:
            return False
        latest = {effect.pid for effect in self._fleet.ledger.effects()[-3:]}
        at_work = [worker for worker in workers if worker.pid in latest]
        # Mostly one that has just begun a job; else any, such as one that boots or takes up a batch.
        return _kill(self._rng.choice(at_work if at_work and self._rng.random() < 0.7 else workers))

    def _daemon(self) -> None:
        self._await_restart()
        eventually(self._kill_one_daemon, PATIENCE_S, "a daemon to kill")

    def _kill_one_daemon(self) -> bool:
        daemons = self._fleet.daemons()
        return bool(daemons) and _kill(self._rng.choice(daemons))

    def _term(self) -> None:
        self._await_restart()
        daemon = eventually(self._fleet.daemons, PATIENCE_S, "a daemon to end")[0]
        daemon.send_signal(signal.SIGTERM)

    def _restart_all(self) -> None:
        command = self._fleet.ctl_command("restart", "jqd:*")
        self._restart = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def _await_restart(self) -> None:
        if self._restart is None:
            return
        said, _ = self._restart.communicate(timeout=PATIENCE_S)
        assert self._restart.returncode == 0, f"supervisorctl restart: {said}"
        self._restart = None


def _kill(process: psutil.Process) -> bool:
    if not is_alive(process) or process.pid == os.getpid():
        return False
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True
