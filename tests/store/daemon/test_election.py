"""Of daemons that serve the same queues one keeps house and ticks; the others ask whether it still does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jqjobs.daemon.lease_messages import Join
from jqjobs.daemon.leases import election
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.link.board import Board
from jqjobs.link.queue_choice import QueueChoice
from jqjobs.store.calls import leases
from jqjobs.store.calls.schedules import plan
from store.queue_system import LEASE_MS, QueueSystem

#: Longer than a daemon that is elected may be silent.
LONG_MS = 5000


class Fleet:
    """Daemons, turned by hand, with one worker each that serves `a` and `b`; what they ask of Redis is counted."""

    def __init__(self, system: QueueSystem, directory: Path) -> None:
        self.system = system
        self.sent = Counter[str]()
        self.boards: list[Board] = []
        self._directory = directory

    def daemon(self, name: str, queues: tuple[str, ...] = ("a", "b"), **settings: Any) -> LeaseKeeper:
        said = {"lease_s": LEASE_MS / 1000, **settings}
        told = DaemonSettings("shop:app", self.system.url, **said)
        keeper = LeaseKeeper(told, name, self.system.store, self._directory, lambda event: None)
        self.boards.append(Board.create(self._directory / f"{name}.board"))
        keeper.do(Join(f"worker-of-{name}", queues, leases.roster(["n"]), self.boards[-1]))
        return keeper

    def asked(self, keeper: LeaseKeeper) -> Counter[str]:
        """Have a daemon do what is due by now; return which scripts it has run."""
        self.sent.clear()
        keeper.keep_house()
        keeper.tick()
        return self.sent.copy()

    def elected(self, *keepers: LeaseKeeper) -> list[bool]:
        return [self.asked(keeper)["housekeep"] > 0 for keeper in keepers]


@pytest.fixture
def fleet(system: QueueSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    made = Fleet(system, tmp_path)

    def counting(run: Callable[..., Any]) -> Callable[..., Any]:
        def run_and_count(said: Any) -> Any:
            made.sent.update(call.script.name for call in (said if isinstance(said, list) else [said]))
            return run(said)

        return run_and_count

    for name in ("run", "run_many"):
        monkeypatch.setattr(system.store, name, counting(getattr(system.store, name)))
    yield made
    for board in made.boards:
        board.close()


def test_one_does_it_and_another_one_asks_one_thing_however_many_queues_there_are(fleet: Fleet) -> None:
    first, second = fleet.daemon("first"), fleet.daemon("second")
    fleet.asked(first)  # from then on Redis knows the scripts
    for _ in range(5):
        fleet.system.clock.advance(2500)
        assert fleet.asked(second) == {"claim_round": 1}
        assert fleet.asked(first) == {"claim_round": 1, "housekeep": 2, "agenda": 2}


def test_when_it_is_killed_another_one_reaps_and_ticks_within_seconds(fleet: Fleet) -> None:
    schedule = {
        "job": "n",
        "payload": "{}",
        "cron": "",
        "every_ms": 1000,
        "tz": "UTC",
        "missed": "all",
        "catch_up_ms": 60_000,
    }
    fleet.system.run(plan("b", 100 * LEASE_MS, "shop:app", {"s": json.dumps(schedule, sort_keys=True)}))
    killed, heir, other = fleet.daemon("killed"), fleet.daemon("heir"), fleet.daemon("other")
    assert fleet.elected(killed, heir, other) == [True, False, False]
    fleet.system.join("gone", queues=("a",), lease_ms=1000)
    for _ in range(LONG_MS // 1000):
        fleet.system.clock.advance(1000)
        fleet.asked(heir)
        fleet.asked(other)
    assert "gone" not in fleet.system.ids("leases", "a")
    ticked = len(fleet.system.ids("ready", "b"))
    for _ in range(10):
        fleet.system.clock.advance(1000)
        assert fleet.elected(heir, other) == [True, False]
    jobs = fleet.system.ids("ready", "b")
    assert (len(jobs) - ticked, len(set(jobs))) == (10, len(jobs))
    assert len(jobs) >= 14, "and what came meanwhile is made up for"


def test_who_ends_lets_another_one_do_it_at_once(fleet: Fleet) -> None:
    first, second = fleet.daemon("first"), fleet.daemon("second")
    assert fleet.elected(first, second) == [True, False]
    second.deregister()
    assert fleet.elected(first) == [True], "it was not the other one's to give up"
    first.deregister()
    assert fleet.elected(second) == [True]


def test_one_that_stood_still_leaves_it_to_its_heir(fleet: Fleet) -> None:
    froze, heir = fleet.daemon("froze"), fleet.daemon("heir")
    assert fleet.elected(froze, heir) == [True, False]
    fleet.system.clock.advance(LONG_MS)
    assert fleet.elected(heir, froze) == [True, False]
    fleet.system.redis("FLUSHALL")
    assert fleet.elected(froze, heir) == [True, False], "Redis has forgotten who was elected"


def test_who_does_it_for_other_queues_or_in_another_way_leaves_it_to_nobody(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.asked(fleet.daemon("first"))
    others = [
        fleet.daemon("more", ("a", "b", "c")),
        fleet.daemon("short", lease_s=LEASE_MS / 2000),
        fleet.daemon("tidy", dead_s=60.0),
    ]
    monkeypatch.setattr(election, "__version__", "0.0.1")
    others.append(fleet.daemon("old"))
    assert fleet.elected(*others) == [True, True, True, True]


def test_who_has_no_worker_yet_stands_in_nobodys_way(fleet: Fleet) -> None:
    boots = LeaseKeeper(
        DaemonSettings("shop:app", fleet.system.url, queues=QueueChoice(("a", "b")), lease_s=LEASE_MS / 1000),
        "boots", fleet.system.store, fleet._directory, lambda event: None,
    )  # fmt: skip
    fleet.sent.clear()
    boots.keep_house()
    assert set(fleet.sent) == {"housekeep"}
    assert fleet.elected(fleet.daemon("works")) == [True]


def test_an_heir_comes_before_redis_takes_the_gap_for_an_outage(fleet: Fleet) -> None:
    for lease_s in (3.0, 15.0, 60.0):
        keeper = fleet.daemon(f"of-{lease_s}", lease_s=lease_s)
        waited_s = keeper._election._patience_ms / 1000 + keeper._election.again_s
        assert waited_s <= 0.9 * lease_s / 3
