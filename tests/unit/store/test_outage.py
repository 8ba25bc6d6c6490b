from __future__ import annotations

import random
from typing import Any

import pytest

from jqjobs.errors import StoreBusy, StoreError, StoreRefused, StoreUnavailable
from jqjobs.store.error_replies import error_of
from jqjobs.store.outage import Failures, Outage

GONE, LOADING = StoreUnavailable("nobody listens"), StoreBusy("it is loading")
REFUSED = StoreRefused("no such user")


@pytest.fixture
def outage() -> Outage:
    return Outage(random.Random(1), "w1")


def test_an_outage_is_said_once_and_its_end_with_the_count(outage: Outage, logged: list[dict[str, Any]]) -> None:
    for error in (GONE, LOADING, GONE):
        outage.note(error)
    assert outage.failures == 3
    outage.end()
    assert logged == [
        {"event": "redis.lost", "level": 30, "error": "nobody listens", "hint": None, "worker": "w1"},
        {"event": "redis.back", "worker": "w1", "failures": 3},
    ]
    assert outage.failures == 0


def test_an_outage_of_the_daemon_names_no_worker(logged: list[dict[str, Any]]) -> None:
    Outage(random.Random(1)).note(GONE)
    assert logged[0]["worker"] is None  # then the line has no such field


def test_a_server_that_refuses_is_not_lost(outage: Outage, logged: list[dict[str, Any]]) -> None:
    outage.note(REFUSED)
    outage.note(StoreError("WRONGTYPE"))
    assert [(line["event"], line["error"]) for line in logged] == [("redis.refused", "no such user")]


def test_what_changes_in_kind_is_said_again_and_counted_on(outage: Outage, logged: list[dict[str, Any]]) -> None:
    for error in (GONE, REFUSED, REFUSED, GONE):
        outage.note(error)
    outage.end()
    assert [line["event"] for line in logged] == ["redis.lost", "redis.refused", "redis.lost", "redis.back"]
    assert logged[-1]["failures"] == 4


def test_another_reason_is_said_again_with_what_to_do_about_it(outage: Outage, logged: list[dict[str, Any]]) -> None:
    wrong, forbidden = error_of(Exception("WRONGPASS no such pair")), error_of(Exception("NOPERM this user may not"))
    for error in (wrong, wrong, forbidden, error_of(Exception("NOAUTH")), GONE):
        assert isinstance(error, StoreError)
        outage.note(error)
    hints = [line["hint"] for line in logged if line["event"] == "redis.refused"]
    assert [word in hint for word, hint in zip(("check user", "ACL", "wants a password"), hints, strict=True)] == [
        True
    ] * 3
    assert logged[-1]["event"] == "redis.lost"


def test_the_next_outage_is_said_like_the_first(outage: Outage, logged: list[dict[str, Any]]) -> None:
    for _ in range(2):
        outage.note(GONE)
        outage.end()
    assert [line["event"] for line in logged] == ["redis.lost", "redis.back"] * 2


def test_without_a_failure_nothing_is_said(outage: Outage, logged: list[dict[str, Any]]) -> None:
    outage.end()
    assert logged == []


@pytest.fixture
def failures() -> Failures:
    return Failures(random.Random(1))


def test_redis_is_asked_again_soon_at_first_and_every_two_seconds_in_the_end(failures: Failures) -> None:
    for count in range(1, 2000):
        failures.add()
        upper_s = 0.05 * 2**count if count < 6 else 2.0
        assert upper_s / 2 <= failures.pause_s() <= upper_s
    assert len({failures.pause_s() for _ in range(10)}) == 10, "daemons do not come back all at once"


def test_after_a_success_the_pauses_start_over(failures: Failures) -> None:
    for _ in range(12):
        failures.add()
    assert failures.clear() == 12
    assert failures.pause_s() <= 0.05
