"""Blows against processes: kill -9 and SIGSTOP of workers, of daemons, of all on a host."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from contextlib import suppress

import psutil

from chaos.blows import Arsenal, Harm, one_of
from chaos.fleet import LEASE_S, Daemon, Fleet, Host


class ProcessBlows:
    """Against workers, daemons and hosts."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def arsenal(self) -> Arsenal:
        """Return all of them."""
        return {
            "kill worker": (12, self.kill_worker), "kill daemon": (4, self.kill_daemon),
            "kill host": (1, self.kill_host), "freeze worker": (2, self.freeze_worker),
            "freeze daemon": (2, self.freeze_daemon_briefly),
            "freeze daemon beyond its lease": (2, self.freeze_daemon_for_long),
        }  # fmt: skip

    def kill_worker(self, rng: random.Random) -> Harm:
        """Kill -9 of one worker."""
        daemon = one_running(self._fleet, rng)
        worker = one_of(daemon.workers() if daemon else [], rng)
        if daemon is None or worker is None:
            return Harm()
        ids = daemon.worker_ids()
        _send([worker], signal.SIGKILL)
        killed = (ids[worker.pid],) if worker.pid in ids else ()
        return Harm(f"{daemon.name} {worker.pid}", killed=killed, is_proof=not daemon.is_draining)

    def kill_daemon(self, rng: random.Random) -> Harm:
        """Kill -9 of a daemon, with which its workers die."""
        daemon = one_running(self._fleet, rng)
        if daemon is None:
            return Harm()
        killed = tuple(daemon.worker_ids().values())
        _kill(daemon)
        return Harm(daemon.name, killed=killed, is_proof=not daemon.is_draining)

    def kill_host(self, rng: random.Random) -> Harm:
        """Kill -9 of all on a host, boards included: nobody can prove what died."""
        host = one_of(self._fleet.hosts, rng)
        return lose(host) if host else Harm()

    def freeze_daemon_briefly(self, rng: random.Random) -> Harm:
        """SIGSTOP of a daemon and its workers, for less than a lease."""
        return self._freeze(rng, rng.uniform(0.5, LEASE_S * 0.6))

    def freeze_daemon_for_long(self, rng: random.Random) -> Harm:
        """The same for longer than a lease."""
        return self._freeze(rng, rng.uniform(LEASE_S * 1.3, LEASE_S * 2))

    def _freeze(self, rng: random.Random, seconds: float) -> Harm:
        daemon = one_running(self._fleet, rng)
        if daemon is None or daemon.process is None:
            return Harm()
        frozen = [*_process(daemon.process.pid), *daemon.workers()]
        _send(frozen, signal.SIGSTOP)
        return Harm(daemon.name, seconds, lambda: _send(frozen, signal.SIGCONT))

    def freeze_worker(self, rng: random.Random) -> Harm:
        """SIGSTOP of one worker: its daemon keeps the lease."""
        seconds = rng.uniform(1, LEASE_S * 1.5)
        daemon = one_running(self._fleet, rng)
        worker = one_of(daemon.workers() if daemon else [], rng)
        if daemon is None or worker is None:
            return Harm()
        _send([worker], signal.SIGSTOP)
        return Harm(f"{daemon.name} {worker.pid}", seconds, lambda: _send([worker], signal.SIGCONT))


def lose(host: Host) -> Harm:
    """Kill all on a host, and its boards."""
    killed = tuple(worker for daemon in host.daemons if daemon.is_running for worker in daemon.worker_ids().values())
    for daemon in host.daemons:
        _kill(daemon)
    host.lose_boards()
    return Harm(host.name, killed=killed)


def one_running(fleet: Fleet, rng: random.Random) -> Daemon | None:
    """Choose a daemon that runs."""
    return one_of([daemon for daemon in fleet.daemons if daemon.is_running], rng)


def _process(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [psutil.Process(pid)]
    return []


def _send(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _kill(daemon: Daemon) -> None:
    """Kill a daemon and wait until it is gone; its workers, frozen ones too, die with it."""
    if daemon.process is not None and daemon.is_running:
        daemon.process.kill()
        daemon.process.wait()
