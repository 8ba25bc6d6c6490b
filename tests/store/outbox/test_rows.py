"""Rows on their way to Redis: each once, whoever brings them, whoever dies in between, whatever is full."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jqjobs.errors import StoreFull, StoreUnavailable
from jqjobs.jobs.flow import OnDead
from jqjobs.jobs.records import NewJob
from jqjobs.outbox.dialects import TABLE
from jqjobs.outbox.rows import OLDEST_S, bring
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.batches import batch_status, open_batch
from jqjobs.store.calls.relaying import FRESH_MS, MARKER_MS, SHORT_MARKER_MS, Relayed
from store.outbox.conftest import Shop


@pytest.fixture
def place(places: Any) -> Any:
    """What is no matter of SQL is seen on one database."""
    return places.place("sqlite")


def test_of_two_relays_with_the_same_rows_one_makes_the_jobs(shop: Shop) -> None:
    shop.leave_rows("a", "b")
    one, other = shop.read(), shop.read()
    shop.bring(one)
    assert shop.system.start_all() == ["a", "b"]
    shop.bring(other)

    assert shop.system.start_all() == [], "it succeeded, nothing of it is there, and still it does not come again"


def test_a_relay_that_dies_before_the_delete_makes_no_double(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.leave_rows("a")
    with monkeypatch.context() as patch:
        patch.setattr("jqjobs.outbox.rows._delete", lambda *_: None)
        shop.bring(shop.read())
    assert shop.system.start_all() == ["a"]

    assert shop.bring(shop.read()).done == {Relayed.AGAIN: 1}
    assert (shop.system.start_all(), shop.waiting()) == ([], [])


def test_who_brings_rows_takes_along_what_leaves_their_queue_by_that(shop: Shop) -> None:
    shop.system.run(open_batch("home", "b", "nonce", OnDead.WAIT, 1000))
    envelope = '{"job":"send","batch":"home/b"}'
    shop.sql(f"INSERT INTO {TABLE} (id, queue, envelope, is_hooked) VALUES ('a', 'q', '{envelope}', 0)")
    shop.bring(shop.read())

    assert (shop.system.ids(), shop.waiting()) == (["a"], [])
    assert shop.system.run(batch_status("home", "b")).open == 1


def test_a_marker_lasts_as_long_as_anybody_may_bring_its_row(shop: Shop) -> None:
    shop.leave_rows("a")
    rows, read_ms = shop.read()
    key = shop.system.key("relayed:a")
    shop.bring((rows, read_ms))
    left_ms = shop.system.redis("PTTL", key)

    assert 2 * FRESH_MS < left_ms <= SHORT_MARKER_MS, "the row is gone"
    assert OLDEST_S * 1000 < MARKER_MS, "no relay touches a row whose marker may be gone"


def test_what_was_read_too_long_ago_is_not_brought(shop: Shop) -> None:
    shop.leave_rows("a")
    rows, read_ms = shop.read()

    assert shop.bring((rows, read_ms - FRESH_MS - 1)).brought == 0
    assert (shop.system.ids(), shop.waiting()) == ([], ["a"])


def test_rows_that_are_older_than_their_marker_wait_for_a_person(shop: Shop) -> None:
    shop.leave_rows("old", "new")
    shop.sql(f"UPDATE {TABLE} SET created_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '-7 days') WHERE id = 'old'")
    shop.outbox.relay(shop.system.store.run)
    assert (shop.system.ids(), shop.outbox.status().old) == (["new"], 1)

    shop.outbox.relay(shop.system.store.run, also_old=True)
    assert (shop.system.ids(), shop.waiting()) == (["new", "old"], [])


def test_rows_stay_while_redis_is_full(shop: Shop) -> None:
    shop.leave_rows("a")
    shop.system.redis("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreFull):
            shop.bring(shop.read())
    finally:
        shop.system.redis("CONFIG", "SET", "maxmemory", 0)
    assert shop.waiting() == ["a"]
    shop.bring(shop.read())
    assert (shop.system.ids(), shop.waiting()) == (["a"], [])


def test_rows_stay_for_which_their_queue_has_no_room_and_those_of_others_go(shop: Shop) -> None:
    shop.system.run(upkeep.settings("q", {"max_length": 2}))
    shop.leave_rows("a", "b", "c")
    shop.leave_rows("d", queue="other")
    brought = shop.outbox.relay(shop.system.store.run)

    assert (shop.system.ids(), shop.waiting(), shop.system.ids(queue="other")) == (["a", "b"], ["c"], ["d"])
    assert brought.stuck == {"q": "no more jobs may wait there"}


def test_a_damaged_queue_keeps_its_rows_and_holds_up_no_other(shop: Shop) -> None:
    shop.leave_rows("a")
    shop.leave_rows("b", queue="other")
    shop.system.redis("SET", shop.system.key("ready"), "somebody wrote over it")
    brought = shop.outbox.relay(shop.system.store.run)

    assert (shop.waiting(), shop.system.ids(queue="other"), list(brought.stuck)) == (["a"], ["b"], ["q"])


def test_redis_that_goes_away_between_two_queues_costs_nothing(shop: Shop) -> None:
    shop.leave_rows("a")
    shop.leave_rows("b", queue="r")
    calls: list[str] = []

    def run(call: Any) -> Any:
        calls.append(call.script.name)
        if len(calls) == 2:
            raise StoreUnavailable()
        return shop.system.run(call)

    rows, read_ms = shop.read()
    with pytest.raises(StoreUnavailable):
        bring(shop.outbox.database, run, rows, read_ms)
    shop.outbox.relay(shop.system.store.run)
    assert (shop.system.ids(), shop.system.ids(queue="r"), shop.waiting()) == (["a"], ["b"], [])


def test_what_other_producers_wrote_is_judged_like_an_envelope(shop: Shop) -> None:
    for row in ("'a', 'q', 'no json'", "'b', 'no queue', '{}'", "'c', 'q', '{\"job\":\"n\"}'", "'d d', 'q', '{}'"):
        shop.sql(f"INSERT INTO {TABLE} (id, queue, envelope) VALUES ({row})")
    brought = shop.outbox.relay(shop.system.store.run)

    assert shop.system.ids() == ["c"]
    assert [raw for _, raw in shop.system.rejected()] == [b"no json"]
    assert (shop.waiting(), len(brought.bad)) == (["b", "d d"], 2)


EVERYTHING = NewJob(
    "n", b'{"args":[1]}', "a", -3, "", "k", ("max_attempts", 4, "timeout", 5000, "keep", 6, "tags", "x y"), "stored"
)


@pytest.mark.parametrize("job", [EVERYTHING, replace(EVERYTHING, due="+60000", key="", coalesce="unfinished")])
def test_a_job_comes_as_if_it_had_been_enqueued(shop: Shop, job: NewJob) -> None:
    """But for its payload, which is the envelope, and for moments."""
    from jqjobs.jobs.envelopes import envelope_of
    from jqjobs.store.calls import enqueueing
    from jqjobs.store.calls.relaying import relay

    def record(queue: str) -> dict[str, str]:
        found = shop.system.job("a", queue)
        return {name: value for name, value in found.items() if name not in ("payload", "enqueued", "due")}

    shop.system.run(enqueueing.enqueue("direct", [job]))
    shop.system.run(relay("q", [("a", envelope_of(job, shop.app.client.now_ms()))]))

    assert record("q") == record("direct")
    assert shop.system.states("a") == shop.system.states("a", "direct")
    directly, through = (shop.system.score(*shop.system.states("a", queue), "a", queue) for queue in ("direct", "q"))
    assert through == pytest.approx(directly, abs=5000)
