"""What operators and deploys do to daemons: TERM, HUP, new code, and a platform that does not wait."""

from __future__ import annotations

import random
import signal

from chaos.blows import Arsenal, Harm, one_of
from chaos.fleet import GRACE_S, Fleet
from chaos.process_blows import lose, one_running


class DeployBlows:
    """Against daemons, in the way they know."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def arsenal(self) -> Arsenal:
        """Return all of them."""
        return {
            "drain": (3, self.drain), "drain and kill host": (2, self.drain_and_kill), "reload": (2, self.reload),
            "edit": (2, self.edit), "broken edit": (1, self.edit_badly),
        }  # fmt: skip

    def drain(self, rng: random.Random) -> Harm:
        """TERM, as a supervisor's stop."""
        daemon = one_running(self._fleet, rng)
        if daemon is None:
            return Harm()
        daemon.is_draining = True
        daemon.send(signal.SIGTERM)
        return Harm(daemon.name)

    def drain_and_kill(self, rng: random.Random) -> Harm:
        """TERM of a host's daemons, and kill -9 of all just when the grace ends: a pod that is replaced."""
        host = one_of(self._fleet.hosts, rng)
        if host is None:
            return Harm()
        for daemon in host.daemons:
            daemon.is_draining = True
            daemon.send(signal.SIGTERM)
        return Harm(host.name, GRACE_S, lambda: lose(host))

    def reload(self, rng: random.Random) -> Harm:
        """HUP."""
        daemon = one_running(self._fleet, rng)
        if daemon is None:
            return Harm()
        daemon.send(signal.SIGHUP)
        return Harm(daemon.name)

    def edit(self, rng: random.Random) -> Harm:
        """Edit the app of a host."""
        host = one_of(self._fleet.hosts, rng)
        if host is None:
            return Harm()
        host.deploy()
        return Harm(host.name)

    def edit_badly(self, rng: random.Random) -> Harm:
        """Break the app of a host, and mend it."""
        seconds = rng.uniform(1, 8)
        host = one_of(self._fleet.hosts, rng)
        if host is None:
            return Harm()
        host.deploy(broken=True)
        return Harm(host.name, seconds, host.deploy)
