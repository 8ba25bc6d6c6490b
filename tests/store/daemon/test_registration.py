"""Whatever a daemon says of itself and whatever Redis loses of it: after each beat the registry has all of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from jqjobs.base.clock import monotonic_ms
from jqjobs.daemon.lease_messages import Report
from jqjobs.daemon.leases.keeper import LeaseKeeper
from jqjobs.daemon.leases.registration import Registration
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import StoreError
from jqjobs.store.call import Call
from jqjobs.store.calls.daemons import SignOfLife
from jqjobs.store.reads.queues import server_now_ms
from jqjobs.store.reads.registry import read_registry
from jqjobs.store.reply_values import fields
from store.queue_system import LEASE_MS, QueueSystem

DAEMON = "h:1:d"


def report(dice: random.Random) -> Report:
    """Up to three workers, each in one of two states; now and then a field that was there is not."""
    workers = {f"h:{n}:w": {"pid": n, "state": dice.choice(("ready", "busy"))} for n in range(dice.randrange(4))}
    about = {"name": "web", "state": dice.choice(("running", "quiet")), "workers": " ".join(workers)}
    return Report(about | ({"note": "why"} if dice.random() < 0.2 else {}), workers)


def entries(system: QueueSystem) -> dict[str, dict[str, str]]:
    """All entries of the registry, but for the number of what was said."""
    names = [name.decode() for kind in ("daemon", "worker") for name in system.redis("KEYS", f"jq:{{~}}:{kind}:*")]
    found = {name.removeprefix("jq:{~}:"): fields(system.redis("HGETALL", name)) for name in names}
    return {
        name: {field: value.decode() for field, value in entry.items() if field != "said"}
        for name, entry in found.items()
    }


def expected(said: Report) -> dict[str, dict[str, str]]:
    all_entries = {f"daemon:{DAEMON}": said.about, **{f"worker:{name}": entry for name, entry in said.workers.items()}}
    return {name: {field: str(value) for field, value in entry.items()} for name, entry in all_entries.items()}


def lose(system: QueueSystem, dice: random.Random, older: list[bytes]) -> None:
    """What may have happened between two beats."""
    names = system.redis("KEYS", "jq:{~}:worker:*")
    what = dice.randrange(8)
    if what == 0:
        system.redis("FLUSHALL")
    elif what == 1 and names:
        system.redis("DEL", dice.choice(names))
    elif what == 2:
        system.redis("SET", f"jq:{{~}}:daemon:{DAEMON}", "x")
    elif what == 3:
        system.redis("SET", "jq:{~}:daemons", "x")
    elif what == 4 and older:  # a replica that lagged
        system.redis("RESTORE", f"jq:{{~}}:daemon:{DAEMON}", 0, dice.choice(older), "REPLACE")


@pytest.mark.parametrize("seed", range(2))
def test_after_each_beat_the_registry_has_all_that_was_said(
    real_system: QueueSystem, tmp_path: Path, seed: int
) -> None:
    system, dice = real_system, random.Random(seed)
    settings = DaemonSettings("shop:app", system.url, lease_s=LEASE_MS / 1000)
    keeper = LeaseKeeper(settings, DAEMON, system.store, tmp_path, lambda event: None)
    older: list[bytes] = []
    for _ in range(60):
        lose(system, dice, older)
        said = report(dice)
        keeper.register(said)

        assert entries(system) == expected(said)
        assert system.redis("ZRANGE", "jq:{~}:daemons", 0, -1) == [DAEMON.encode()]
        assert 0 < system.redis("PTTL", f"jq:{{~}}:daemon:{DAEMON}") <= 10_000
        older.append(system.redis("DUMP", f"jq:{{~}}:daemon:{DAEMON}"))
    keeper.deregister()
    assert entries(system) == {}


def test_a_worker_that_cannot_be_written_is_written_with_the_next_beat(system: QueueSystem, tmp_path: Path) -> None:
    settings = DaemonSettings("shop:app", system.url, lease_s=LEASE_MS / 1000)
    keeper = LeaseKeeper(settings, DAEMON, system.store, tmp_path, lambda event: None)
    ready, busy = (Report({"workers": "w"}, {"w": {"state": state}}) for state in ("ready", "busy"))
    keeper.register(ready)
    system.redis("SET", "jq:{~}:worker:w", "x")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        keeper.register(busy)
    keeper.register(busy)
    assert entries(system) == expected(busy)


def test_when_somebody_started_is_said_by_the_clock_of_redis(system: QueueSystem) -> None:
    """Else a host whose clock is wrong by hours has daemons that have been up for hours."""
    system.store._now_ms = None  # the registry is read by the clock of Redis
    registration = Registration(DAEMON, lambda: server_now_ms(system.store))
    about, worker = ({"started_ms": monotonic_ms() - age_s * 1000} for age_s in (7200, 60))
    registration.tell(Report({"name": "web", "workers": "w", **about}, {"w": {"pid": 1, **worker}}), system.store.run)
    [daemon] = read_registry(system.store).daemons
    assert [daemon.age_s, daemon.workers[0].age_s] == [pytest.approx(7200, abs=30), pytest.approx(60, abs=30)]


def test_a_beat_says_what_changed_and_no_more(system: QueueSystem) -> None:
    registration = Registration(DAEMON, lambda: 0)

    def said(*states: str) -> list[tuple[int, list[object]]]:
        workers = {f"w{n}": {"pid": n, "state": state} for n, state in enumerate(states)}
        told: list[Call[SignOfLife]] = []

        def run(call: Call[SignOfLife]) -> SignOfLife:
            told.append(call)
            return system.run(call)

        registration.tell(Report({"name": "web", "queues": "q" * 5000, "workers": "w0 w1"}, workers), run)
        return [(len(call.keys), list(call.args[4:])) for call in told]

    said("ready", "ready")
    assert said("ready", "ready") == [(2, [0])]
    assert said("ready", "busy") == [(3, [2, "said", 2, 2, "state", "busy"])]
