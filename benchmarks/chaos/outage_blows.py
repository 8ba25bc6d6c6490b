"""Blows against Redis, and against the ways to it."""

from __future__ import annotations

import random
from contextlib import suppress

import redis

from chaos.blows import Arsenal, Harm, one_of
from chaos.fleet import LEASE_S
from chaos.server import RedisServer
from proxy import Proxy


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
        found = one_of(list(self._proxies.items()), rng)
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
