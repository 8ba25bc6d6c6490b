"""One run: everything is started, the storm comes and goes, what was accepted drains, everything ends.

Owns all processes and threads of the run. Whatever happens, Ctrl-C included, `close` ends them; a run that is killed
itself takes them along (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from chaos.clock import Ticker
from chaos.deploy_blows import DeployBlows
from chaos.fleet import GRACE_S, KILL_AFTER_S, Fleet
from chaos.invariants import Violation
from chaos.jobs import LIMITED, QUICK, SLOW
from chaos.judge import Testimony
from chaos.kinds import SCHEDULES
from chaos.nemesis import Nemesis
from chaos.outage_blows import NetworkBlows, RedisBlows
from chaos.process_blows import ProcessBlows
from chaos.producers import Answerer, Producer, Repeater, Waiter
from chaos.server import RedisServer, snapshot
from chaos.traces import Traces
from jqjobs.store.address import parse_url
from jqjobs.store.calls.schedules import suspend
from jqjobs.store.store import Store
from proxy import Proxy, Weather

#: Of a queue, what is empty when everything has ended.
_UNFINISHED = ("inbox", "ready", "scheduled", "held", "waiting", "parked", "suspects")
_LOOK_S = 0.5


@dataclass(frozen=True)
class Plan:
    """What a run is told.

    ``patience``: how many times slower than an idle machine this one may be.
    ``blows``: only those whose name has one of these words; no words: all.
    """

    minutes: float = 10.0
    seed: int = 1
    rate: float = 15.0
    drain_s: float = 180.0
    patience: float = 1.0
    blows: tuple[str, ...] = ()

    def allows(self, blow: str) -> bool:
        """Whether the nemesis may do that."""
        return not self.blows or any(word in blow for word in self.blows)


class Campaign:
    """One run in a directory of its own."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._complaints: list[Violation] = []
        self._drained_s = 0.0
        self._repeaters: list[Repeater] = []
        self.server = RedisServer(directory)
        self.server.start()
        self._ticker = Ticker(self.server.url)
        address = parse_url(self.server.url)
        self._proxies = {
            name: Proxy(address, Weather(), seed=plan.seed + n).start() for n, name in enumerate(("a", "b", "producer"))
        }
        self._fleet = Fleet(directory, self._proxies)
        against = (
            ProcessBlows(self._fleet), DeployBlows(self._fleet), RedisBlows(self.server), NetworkBlows(self._proxies),
        )  # fmt: skip
        arsenal = {name: blow for some in against for name, blow in some.arsenal().items() if plan.allows(name)}
        self._nemesis = Nemesis(self._fleet, arsenal, f"{plan.seed} nemesis", directory / "nemesis.log")
        self._traces = Traces(directory / "traces")
        urls = {"n": self.server.url, "f": self._proxies["producer"].url}
        self._producers = [Producer(name, url, plan.rate / 2, f"{plan.seed} {name}") for name, url in urls.items()]
        self._answerer = Answerer(self.server.url, self._traces, f"{plan.seed} answers")
        self._waiter = Waiter(self.server.url, self._producers[0])

    def storm(self) -> None:
        """Let jobs come and the nemesis rage."""
        self._fleet.start()
        self._repeat(self._answerer, self._waiter, *self._producers)
        self._nemesis.rage(self._plan.minutes * 60)
        for repeater in self._repeaters[1:]:
            repeater.close()

    def _repeat(self, *actors: Answerer | Waiter | Producer) -> None:
        self._repeaters += [Repeater(type(actor).__name__.lower(), actor.step) for actor in actors]

    def calm(self) -> None:
        """Heal everything and wait until all that was accepted has ended."""
        self._nemesis.heal()
        self.server.clock.catch_up()
        self._pause_schedules()
        started = time.monotonic()
        deadline = started + self._plan.drain_s * self._plan.patience
        while left := self._left():
            if time.monotonic() > deadline:
                self._complaints.append(
                    Violation("stuck", "after the storm", f"{left} after {self._plan.drain_s:.0f} s")
                )
                break
            self._fleet.start()  # whoever was still draining when the storm ended
            time.sleep(_LOOK_S)
        self._repeaters[0].close()
        self._drained_s = time.monotonic() - started

    def _pause_schedules(self) -> None:
        """Let no more ticks come: what comes for ever never ends."""
        with closing(Store(parse_url(self.server.url))) as store:
            for name in SCHEDULES:
                store.run(suspend(QUICK, name))

    def _left(self) -> dict[str, int]:
        """Return queue and state → how much is there that has not ended."""
        found: dict[str, int] = {}
        try:
            with self.server.connect() as client:
                for queue in (QUICK, SLOW, LIMITED):
                    found |= _unfinished(client, queue)
        except redis.RedisError as error:
            return {str(error): 1}
        return found

    def end(self) -> Testimony:
        """End the daemons in an orderly way, then Redis; return what is known of the run."""
        bad = self._fleet.drain((GRACE_S + KILL_AFTER_S + 10) * self._plan.patience)
        self._complaints += [Violation("end", name, "did not end in an orderly way") for name in bad]
        self._complaints += [Violation("result", "", wrong) for wrong in self._waiter.wrong]
        self._ticker.close()
        with self.server.connect() as client:
            kept = snapshot(client)
        self.server.stop()
        return Testimony(
            calls=[call for producer in self._producers for call in producer.calls],
            deeds=self._nemesis.deeds,
            cancelled=frozenset().union(*(producer.cancelled for producer in self._producers)),
            begun=self._traces.begun(),
            snapshot=kept,
            drained_s=self._drained_s,
            logs=sorted(self._directory.glob("?/*.log")),
            complaints=self._complaints,
        )

    def close(self) -> None:
        """End all that is left."""
        self._fleet.kill()
        for repeater in self._repeaters:
            repeater.stop()
        self._ticker.close()
        for producer in self._producers:
            producer.close()
        self._answerer.close()
        self._waiter.close()
        for proxy in self._proxies.values():
            proxy.close()
        self.server.kill()


def _unfinished(client: Any, queue: str) -> dict[str, int]:
    names = _UNFINISHED + tuple(_active(client, queue))
    counts = [client.llen(f"jq:{{{queue}}}:{name}") if name == "inbox" else client.zcard(f"jq:{{{queue}}}:{name}")
              for name in names]  # fmt: skip
    return {f"{queue} {name}": int(count) for name, count in zip(names, counts, strict=True) if count}


def _active(client: Any, queue: str) -> Iterable[str]:
    """Return the parts of the keys of what workers hold; only who has a lease can hold anything."""
    return [f"active:{worker}" for worker in client.zrange(f"jq:{{{queue}}}:leases", 0, -1)]
