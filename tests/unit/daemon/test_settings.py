"""The settings of a daemon: what is refused, and why."""

from __future__ import annotations

import math
from typing import Any

import pytest

from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import ConfigError, InvalidName, InvalidOption
from jqjobs.jobs.records import MAX_QUEUES
from jqjobs.link.bounds import MAX_PROCESSES, Bounds
from jqjobs.link.queue_choice import QueueChoice


def settings(**changes: Any) -> DaemonSettings:
    return DaemonSettings(**{"app": "shop:app", "redis_url": "redis://x", **changes})


def test_defaults_are_those_that_are_documented() -> None:
    found = settings()
    assert (found.name, found.grace_s, found.kill_after_s, found.lease_s, found.poll_s, found.jitter) == (
        "jqd", 25, 5, 30, 1, 0.25,
    )  # fmt: skip
    assert found.queues == QueueChoice()
    assert found.processes.least == found.processes.most >= 1
    assert found.hold_s == 60
    assert settings(lease_s=1.5).lease_ms == 1500


@pytest.mark.parametrize(
    "change",
    [
        {"processes": Bounds(1, MAX_PROCESSES)}, {"hold_s": 0}, {"lease_s": 1}, {"poll_s": 0.001}, {"poll_s": 60},
        {"jitter": 0},
        {"jitter": 0.99}, {"grace_s": 0}, {"batch": 1}, {"batch": 500},
        {"queues": QueueChoice(tuple(f"q{n}" for n in range(MAX_QUEUES)))},
        {"prefetch_ms": 0}, {"kill_after_s": 0}, {"max_dead": 0}, {"dead_s": 0}, {"park_s": 0},
    ],
    ids=lambda change: str(change)[:30],
)  # fmt: skip
def test_the_ends_of_each_range_are_allowed(change: dict[str, Any]) -> None:
    settings(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"app": ""}, {"processes": Bounds(0, 2)}, {"processes": Bounds(3, 2)},
        {"processes": Bounds(1, MAX_PROCESSES + 1)},
        {"hold_s": -1}, {"lease_s": 0.9},
        {"lease_s": 0},
        {"lease_s": math.nan}, {"poll_s": 0}, {"poll_s": 61}, {"poll_s": math.nan}, {"jitter": -0.1}, {"jitter": 1},
        {"jitter": math.nan}, {"grace_s": -1}, {"grace_s": math.nan}, {"batch": 0}, {"batch": 501},
        {"queues": QueueChoice(tuple(f"q{n}" for n in range(MAX_QUEUES + 1)))}, {"prefetch_ms": -1},
        {"kill_after_s": -1},
        {"max_dead": -1},
        {"dead_s": -1}, {"park_s": -1}, {"alert_url": "ftp://a"}, {"alert_url": "hook"}, {"alert_wait_s": 0},
        {"alert_every_s": 59},
        {"log_jobs": "none"}, {"log_jobs": "slow"}, {"log_jobs": "slow:soon"}, {"log_jobs": "all:1s"},
    ],
    ids=lambda change: str(change)[:30],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_with_a_hint(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(**change)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("change", "success_ms"),
    [
        ({}, -1), ({"log_jobs": "all"}, 0), ({"log_jobs": "slow:1m"}, 60_000), ({"log_level": "debug"}, 0),
        ({"log_level": "debug", "log_jobs": "slow:1s"}, 1000), ({"log_jobs": "slow:0s"}, 0),
    ],
    ids=str,
)  # fmt: skip
def test_which_successes_are_logged(change: dict[str, Any], success_ms: int) -> None:
    assert settings(**change).log_jobs_ms == success_ms


@pytest.mark.parametrize("change", [{"name": ""}, {"name": "a b"}, {"queues": QueueChoice(("a", "b:c"))}], ids=str)
def test_a_bad_name_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidName):
        settings(**change)


@pytest.mark.parametrize(
    ("text", "bounds"), [("4", Bounds(4, 4)), ("1..8", Bounds(1, 8)), (" 8..1", Bounds(8, 1)), ("0", Bounds(0, 0))]
)
def test_processes_are_a_number_or_a_range(text: str, bounds: Bounds) -> None:
    assert Bounds.parse(text) == bounds
    assert str(bounds) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "many", "1.5", "-1", "+1", "1..", "..8", "1...8", "1-8", "1..8..9", "１", "9" * 10]
)
def test_anything_else_is_not(text: str) -> None:
    with pytest.raises(InvalidOption, match="not a range"):
        Bounds.parse(text)
