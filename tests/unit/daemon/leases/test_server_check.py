"""What is said about a Redis at boot, by its INFO text."""

from __future__ import annotations

import pytest

from jqjobs.daemon.leases.server_check import complaints
from jqjobs.store.reads.server_info import info_fields

GOOD = "# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n"


@pytest.mark.parametrize(
    "info",
    [
        GOOD,
        GOOD.replace("7.0.15", "8.2.1"),
        "redis_version:7.2.4\r\nserver_name:valkey\r\naof_enabled:1",
        "redis_version:6.2.0\r\nserver_name:valkey",
        "",
        "# Server\r\nnonsense\r\n:\r\n",
        "redis_version:\r\n",
    ],
)
def test_a_good_server_and_one_that_shows_nothing_are_not_complained_about(info: str) -> None:
    assert complaints(info_fields(info)) == []


def test_an_old_redis_is_fatal() -> None:
    [complaint] = complaints(info_fields(GOOD.replace("7.0.15", "6.2.14")))
    assert complaint.fatal
    assert "6.2.14" in complaint.message


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("dragonfly_version:df-v1.21.2", "Dragonfly df-v1.21.2"),
        ("redis_version:6.2.11\r\ndragonfly_version:df-v1.38.1\r\nredis_mode:cluster", "Dragonfly df-v1.38.1"),
        ("redis_mode:cluster", "Redis Cluster"),
        ("cluster_enabled:1", "Redis Cluster"),
    ],
)
def test_a_server_that_cannot_hold_queues_is_fatal_and_named(line: str, name: str) -> None:
    [complaint] = complaints(info_fields(f"{GOOD}{line}\r\n"))
    assert complaint.fatal
    assert name in complaint.message


def test_a_node_of_a_cluster_that_is_meant_as_one_is_not_complained_about() -> None:
    assert complaints(info_fields(f"{GOOD}redis_mode:cluster\r\ncluster_enabled:1\r\n"), is_cluster=True) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [(("noeviction", "allkeys-lru"), "allkeys-lru"), (("aof_enabled:1", "aof_enabled:0"), "append-only")],
)
def test_what_endangers_jobs_is_said_but_not_fatal(change: tuple[str, str], said: str) -> None:
    [complaint] = complaints(info_fields(GOOD.replace(*change)))
    assert said in complaint.message
    assert not complaint.fatal


def test_a_version_that_is_no_number_is_not_judged() -> None:
    assert complaints(info_fields("redis_version:unstable\r\n")) == []
