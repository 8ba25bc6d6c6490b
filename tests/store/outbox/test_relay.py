"""The loop of a relay: what it does while one of its two servers is away, what it tells, and two of them at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jqjobs import App
from jqjobs.cli import jqctl
from jqjobs.link.relay_report import RUNNING, WAITING_DATABASE, WAITING_REDIS, RelayReport
from jqjobs.outbox import Outbox
from jqjobs.outbox.dialects import TABLE
from jqjobs.outbox.relay import Relay
from jqjobs.store.address import Address
from jqjobs.store.store import Store
from log_lines import Lines
from store.outbox.conftest import Shop


@pytest.fixture
def place(places: Any) -> Any:
    """What is no matter of SQL is seen on one database."""
    return places.place("sqlite")


class Turns:
    """A relay that ends after so many turns, and what it waited and told meanwhile."""

    def __init__(self, outbox: Outbox, store: Store, turns: int) -> None:
        self.pauses_s: list[float] = []
        self.told: list[RelayReport] = []
        self._turns = turns
        Relay(outbox, store, random.Random(0), self._wait, self.told.append).run(lambda: 1.0)

    def _wait(self, pause_s: float) -> bool:
        self.pauses_s.append(pause_s)
        return len(self.pauses_s) == self._turns


@pytest.fixture
def store_nowhere() -> Iterator[Store]:
    store = Store(Address(path="/tmp/no-redis-here"))
    yield store
    store.close()


def test_a_database_that_cannot_be_reached_is_tried_again_later_and_later_and_said_once(
    shop: Shop, logged: Lines
) -> None:
    shop.leave_rows("a")
    refusals = iter([ConnectionRefusedError("no route")] * 4)

    def connect() -> Any:
        for error in refusals:
            raise error
        return shop.place.connect()

    seen = Turns(Outbox(App(), connect), shop.system.store, 6)

    assert shop.system.ids() == ["a"]
    said = [(line["event"], line.get("failures")) for line in logged if line["event"] != "outbox.brought"]
    assert said == [("outbox.lost", None), ("outbox.back", 4)]
    assert logged[0]["error"] == "ConnectionRefusedError: no route"
    assert seen.pauses_s[:4] == sorted(set(seen.pauses_s[:4]))
    assert seen.pauses_s[4:] == [1.0, 1.0]
    assert [(each.state, each.error) for each in seen.told[:2]] == [
        (WAITING_DATABASE, "ConnectionRefusedError: no route"), (RUNNING, ""),
    ]  # fmt: skip


def test_while_redis_is_away_it_tells_how_much_waits(shop: Shop, store_nowhere: Store, logged: Lines) -> None:
    shop.leave_rows("a", "b")
    seen = Turns(shop.outbox, store_nowhere, 3)

    assert [line["event"] for line in logged] == ["redis.lost"]
    assert seen.pauses_s == sorted(set(seen.pauses_s)), "later and later"
    assert (seen.told[-1].state, seen.told[-1].rows, seen.told[-1].old) == (WAITING_REDIS, 2, 0)
    assert shop.waiting() == ["a", "b"]


def test_two_relays_at_once_bring_each_row_once(shop: Shop) -> None:
    ids = sorted(f"job-{n}" for n in range(1200))
    shop.leave_rows(*ids)

    def turn(_: int) -> None:
        store = Store(shop.system.store.address)
        outbox = Outbox(App(), shop.place.connect)
        Turns(outbox, store, 2)
        outbox.database.close()
        store.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(turn, range(2)))

    assert shop.waiting() == []
    assert sorted(shop.system.start_all()) == ids


def test_rows_that_may_have_been_brought_come_when_somebody_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JQ_DATABASE_URL", shop.place.url)
    shop.leave_rows("old")
    shop.sql(f"UPDATE {TABLE} SET created_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-8 days')")

    def outbox(*words: str) -> str:
        assert jqctl.run(["--redis", shop.system.url, "outbox", *words]) == 0
        return capsys.readouterr().out

    assert outbox("run") == "no rows brought, 1 left\n"
    assert "! 1 row older than a week: look, then jqctl outbox run --force" in outbox("status")
    assert outbox("run", "--force") == "1 row brought, 0 left\n"
    assert shop.system.ids() == ["old"]
