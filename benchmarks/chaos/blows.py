"""What the nemesis can do to workers, daemons and hosts, to Redis, and to the network between them.

Each blow takes a source of chance, does its harm at once, and says how it is undone and when. Targets are chosen among
what is alive just then.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import psutil
import redis

from chaos.fleet import GRACE_S, LEASE_S, Daemon, Fleet, Host
from chaos.server import RedisServer
from proxy import Proxy

T = TypeVar("T")


def nothing() -> None:
    """Undo what needs no undoing."""


@dataclass(frozen=True, slots=True)
class Harm:
    """What a blow did. ``target``: to whom, "" when there was nobody; ``lasts_s``: until ``undo`` is due.

    ``killed``: ids of workers that kill -9 ended; ``is_proof``: a living daemon saw that, or a later one can prove it.
    ``is_outage``: Redis is out of reach for somebody meanwhile.
    """

    target: str = ""
    lasts_s: float = 0.0
    undo: Callable[[], object] = nothing
    killed: tuple[str, ...] = ()
    is_proof: bool = False
    is_outage: bool = False


Blow = Callable[[random.Random], Harm]
#: Name of a blow → its share among the others, the blow.
Arsenal = dict[str, tuple[int, Blow]]


def _one_of(things: Sequence[T], rng: random.Random) -> T | None:
    """Choose; the draw is the same whatever there is to choose from."""
    chance = rng.random()
    return things[int(chance * len(things))] if things else None


class FleetBlows:
    """Against processes, and what they have loaded."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def arsenal(self) -> Arsenal:
        """Return all of them."""
        return {
            "kill worker": (12, self.kill_worker), "kill daemon": (4, self.kill_daemon),
            "kill host": (1, self.kill_host), "freeze worker": (2, self.freeze_worker),
            "freeze daemon": (2, self.freeze_daemon_briefly),
            "freeze daemon beyond its lease": (2, self.freeze_daemon_for_long),
            "drain": (3, self.drain), "drain and kill host": (2, self.drain_and_kill), "reload": (2, self.reload),
            "edit": (2, self.edit), "broken edit": (1, self.edit_badly),
        }  # fmt: skip

    def _daemon(self, rng: random.Random) -> Daemon | None:
        return _one_of([daemon for daemon in self._fleet.daemons if daemon.is_running], rng)

    def kill_worker(self, rng: random.Random) -> Harm:
        """Kill -9 of one worker."""
        daemon = self._daemon(rng)
        worker = _one_of(daemon.workers() if daemon else [], rng)
        if daemon is None or worker is None:
            return Harm()
        ids = daemon.worker_ids()
        _send([worker], signal.SIGKILL)
        killed = (ids[worker.pid],) if worker.pid in ids else ()
        return Harm(f"{daemon.name} {worker.pid}", killed=killed, is_proof=not daemon.is_draining)

    def kill_daemon(self, rng: random.Random) -> Harm:
        """Kill -9 of a daemon, with which its workers die."""
        daemon = self._daemon(rng)
        if daemon is None:
            return Harm()
        killed = tuple(daemon.worker_ids().values())
        _kill(daemon)
        return Harm(daemon.name, killed=killed, is_proof=not daemon.is_draining)

    def kill_host(self, rng: random.Random) -> Harm:
        """Kill -9 of all on a host, boards included: nobody can prove what died."""
        host = _one_of(self._fleet.hosts, rng)
        return self._lose(host) if host else Harm()

    @staticmethod
    def _lose(host: Host) -> Harm:
        killed = tuple(
            worker for daemon in host.daemons if daemon.is_running for worker in daemon.worker_ids().values()
        )
        for daemon in host.daemons:
            _kill(daemon)
        host.lose_boards()
        return Harm(host.name, killed=killed)

    def freeze_daemon_briefly(self, rng: random.Random) -> Harm:
        """SIGSTOP of a daemon and its workers, for less than a lease."""
        return self._freeze(rng, rng.uniform(0.5, LEASE_S * 0.6))

    def freeze_daemon_for_long(self, rng: random.Random) -> Harm:
        """The same for longer than a lease."""
        return self._freeze(rng, rng.uniform(LEASE_S * 1.3, LEASE_S * 2))

    def _freeze(self, rng: random.Random, seconds: float) -> Harm:
        daemon = self._daemon(rng)
        if daemon is None or daemon.process is None:
            return Harm()
        frozen = [*_process(daemon.process.pid), *daemon.workers()]
        _send(frozen, signal.SIGSTOP)
        return Harm(daemon.name, seconds, lambda: _send(frozen, signal.SIGCONT))

    def freeze_worker(self, rng: random.Random) -> Harm:
        """SIGSTOP of one worker: its daemon keeps the lease."""
        seconds = rng.uniform(1, LEASE_S * 1.5)
        daemon = self._daemon(rng)
        worker = _one_of(daemon.workers() if daemon else [], rng)
        if daemon is None or worker is None:
            return Harm()
        _send([worker], signal.SIGSTOP)
        return Harm(f"{daemon.name} {worker.pid}", seconds, lambda: _send([worker], signal.SIGCONT))

    def drain(self, rng: random.Random) -> Harm:
        """TERM, as a supervisor's stop."""
        daemon = self._daemon(rng)
        if daemon is None:
            return Harm()
        daemon.is_draining = True
        daemon.send(signal.SIGTERM)
        return Harm(daemon.name)

    def drain_and_kill(self, rng: random.Random) -> Harm:
        """TERM of a host's daemons, and kill -9 of all just when the grace ends: a pod that is replaced."""
        host = _one_of(self._fleet.hosts, rng)
        if host is None:
            return Harm()
        for daemon in host.daemons:
            daemon.is_draining = True
            daemon.send(signal.SIGTERM)
        return Harm(host.name, GRACE_S, lambda: self._lose(host))

    def reload(self, rng: random.Random) -> Harm:
        """HUP."""
        daemon = self._daemon(rng)
        if daemon is None:
            return Harm()
        daemon.send(signal.SIGHUP)
        return Harm(daemon.name)

    def edit(self, rng: random.Random) -> Harm:
        """Edit the app of a host."""
        host = _one_of(self._fleet.hosts, rng)
        if host is None:
            return Harm()
        host.deploy()
        return Harm(host.name)

    def edit_badly(self, rng: random.Random) -> Harm:
        """Break the app of a host, and mend it."""
        seconds = rng.uniform(1, 8)
        host = _one_of(self._fleet.hosts, rng)
        if host is None:
            return Harm()
        host.deploy(broken=True)
        return Harm(host.name, seconds, host.deploy)


class RedisBlows:
    """Against Redis."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def arsenal(self) -> Arsenal:
        """Return all that can be done on this machine."""
        jumps: Arsenal = {} if self._server.clock.problem else {"jump of its clock": (1, self.jump)}
        return jumps | {
            "kill redis": (1, self.kill), "restart redis": (1, self.restart), "freeze redis": (2, self.freeze),
            "full redis": (2, self.fill), "forgotten scripts": (1, self.forget_scripts),
        }  # fmt: skip

    def kill(self, rng: random.Random) -> Harm:
        """Kill -9."""
        self._server.kill()
        return Harm("redis", rng.uniform(0.2, 4), self._server.start, is_outage=True)

    def restart(self, rng: random.Random) -> Harm:
        """An orderly end, and a start."""
        self._server.stop()
        return Harm("redis", rng.uniform(0.2, LEASE_S * 1.5), self._server.start, is_outage=True)

    def freeze(self, rng: random.Random) -> Harm:
        """SIGSTOP: connections stay, replies do not come."""
        self._server.freeze()
        return Harm("redis", rng.uniform(0.2, 4), self._server.thaw, is_outage=True)

    def fill(self, rng: random.Random) -> Harm:
        """Let it be full."""
        self._set_maxmemory("1")
        return Harm("redis", rng.uniform(1, 5), lambda: self._set_maxmemory("0"))

    def _set_maxmemory(self, size: str) -> None:
        # Where it is down it will come back without a limit.
        with suppress(redis.RedisError), self._server.connect() as client:
            client.config_set("maxmemory", size)

    def forget_scripts(self, rng: random.Random) -> Harm:
        """SCRIPT FLUSH."""
        with suppress(redis.RedisError), self._server.connect() as client:
            client.script_flush()
        return Harm("redis")

    def jump(self, rng: random.Random) -> Harm:
        """Set its clock forward or back, by seconds or by an hour."""
        by_ms = rng.choice((-3_600_000, -20_000, 20_000, 3_600_000))
        self._server.clock.jump(by_ms)
        return Harm(f"redis {by_ms:+d} ms")


class NetworkBlows:
    """Against the ways to Redis."""

    def __init__(self, proxies: dict[str, Proxy]) -> None:
        self._proxies = proxies

    def arsenal(self) -> Arsenal:
        """Return all of them."""
        return {
            "cut connections": (3, self.cut), "lose replies": (3, self.lose), "slow network": (2, self.slow),
            "silent network": (2, self.silence), "refuse connections": (2, self.refuse),
        }  # fmt: skip

    def _proxy(self, rng: random.Random) -> tuple[str, Proxy]:
        found = _one_of(list(self._proxies.items()), rng)
        assert found is not None
        return found

    def cut(self, rng: random.Random) -> Harm:
        """End all connections, once."""
        name, proxy = self._proxy(rng)
        proxy.cut()
        return Harm(f"way {name}", is_outage=True)

    def lose(self, rng: random.Random) -> Harm:
        """Lose replies for a while."""
        return self._weather(rng, "loss", rng.uniform(0.02, 0.2), rng.uniform(1, 6))

    def slow(self, rng: random.Random) -> Harm:
        """Delay everything for a while."""
        return self._weather(rng, "delay_s", rng.uniform(0.02, 0.5), rng.uniform(1, 6))

    def silence(self, rng: random.Random) -> Harm:
        """Let nothing pass, and end nothing."""
        return self._weather(rng, "silent", True, rng.uniform(0.5, LEASE_S * 1.8))

    def refuse(self, rng: random.Random) -> Harm:
        """End everything, and let nobody in."""
        harm = self._weather(rng, "refuses", True, rng.uniform(0.5, LEASE_S * 1.8))
        self._proxies[harm.target.split()[1]].cut()
        return harm

    def _weather(self, rng: random.Random, what: str, value: float, seconds: float) -> Harm:
        name, proxy = self._proxy(rng)
        before = type(proxy.weather)()
        setattr(proxy.weather, what, value)

        def undo() -> None:
            setattr(proxy.weather, what, getattr(before, what))
            if what == "silent" and value and seconds > LEASE_S:
                proxy.cut()  # what was sent so long ago never arrives

        return Harm(f"way {name} {what}", seconds, undo, is_outage=True)


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
