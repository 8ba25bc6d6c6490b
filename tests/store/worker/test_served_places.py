"""Which places a worker serves: the partitions that its queues have, or that its app asks for."""

from __future__ import annotations

from typing import Any

import pytest

from jqjobs import App, Concurrency, RateLimit
from jqjobs.errors import ConfigError
from jqjobs.link.worker_config import WorkerConfig
from jqjobs.store.address import parse_url
from jqjobs.store.calls.partitions import partitions
from jqjobs.store.partitioning import repartition
from jqjobs.store.steps import run_steps
from jqjobs.worker.life.served_places import served_places
from log_lines import Lines
from store.queue_system import QueueSystem


def served(system: QueueSystem, *queues: str, patterns: tuple[str, ...] = (), **declared: int) -> list[str]:
    """Return the places that a worker of these queues serves; ``declared``: partitions of its app."""
    app = App(redis_url=system.url, partitions=declared)
    app.job(name="n", queue="default")(lambda: None)
    return served_places(parse_url(system.url), config_of(system, *queues, patterns=patterns), app)


def config_of(system: QueueSystem, *queues: str, patterns: tuple[str, ...] = ()) -> WorkerConfig:
    return WorkerConfig(
        app="a:b", redis_url=system.url, worker_id="w", board="", channel_fd=0, daemon_pid=1, queues=queues,
        patterns=patterns,
    )  # fmt: skip


def test_each_queue_with_its_places_in_the_order_of_queues(system: QueueSystem) -> None:
    run_steps(system.run, repartition("b", 2))
    assert served(system, "a", "b", "c") == ["a", "b", "b~0", "b~1", "c"]
    run_steps(system.run, repartition("b", 1))
    assert served(system, "b") == ["b", "b~2", "b~0", "b~1"], "those of before too"


def test_without_names_the_queues_of_the_app(system: QueueSystem) -> None:
    assert served(system, default=2) == ["default", "default~0", "default~1"]


def test_a_queue_gets_what_the_app_asks_for_once(system: QueueSystem, logged: Lines) -> None:
    assert served(system, "a", a=2, b=2) == ["a", "a~0", "a~1"]
    assert system.run(partitions("b")) is None, "another daemon serves that one"
    assert logged.names() == []
    assert served(system, "a", a=3) == ["a", "a~0", "a~1"], "what it has holds"
    [said] = logged.of("queue.partitions")
    assert (said["queue"], said["partitions"], said["app"]) == ("a", 2, 3)


def test_jobs_whose_limits_hold_in_each_partition_are_named(system: QueueSystem, logged: Lines) -> None:
    run_steps(system.run, repartition("q", 3))
    app = App(redis_url=system.url)
    options: dict[str, dict[str, Any]] = {
        "plain": {}, "one": {"concurrency": Concurrency(1)},
        "other": {"rate_limit": RateLimit(9, minutes=1, key="{a}")},
        "whole": {"group": "{a}", "concurrency": Concurrency(1, key="{a}")},
        "ruled": {"group": "{a}", "concurrency": lambda call: None},
    }  # fmt: skip
    for name, given in options.items():
        app.job(name=name, queue="q", **given)(takes_a)
    served_places(parse_url(system.url), config_of(system, "q"), app)
    [said] = logged.of("queue.limits")
    assert (said["queue"], said["partitions"], said["jobs"]) == ("q", 3, "one other ruled")


def takes_a(a: int) -> None: ...


def test_one_by_pattern_gets_them_and_its_places_have_turns(system: QueueSystem) -> None:
    assert served(system, "a", patterns=("t-*",), **{"t-1": 2}) == ["a"]
    assert system.run(partitions("t-1")).names == ["t-1~0", "t-1~1"]


@pytest.mark.parametrize(("patterns", "most"), [((), 32), (("t-*",), 31)])
def test_more_places_than_a_worker_can_serve_are_refused(
    system: QueueSystem, patterns: tuple[str, ...], most: int
) -> None:
    names = [f"n{number}" for number in range(most - 4)]
    assert len(served(system, "b", *names, patterns=patterns, b=3)) == most
    with pytest.raises(ConfigError, match=f"{most + 1} places, a worker serves at most {most}") as refused:
        served(system, "b", "one-more", *names, patterns=patterns)
    assert refused.value.hint == "give b a daemon of its own: jqd --queues b"


def test_without_redis_it_serves_its_queues_and_waits_for_redis_there(system: QueueSystem) -> None:
    app = App(redis_url=system.url, partitions={"a": 2})
    config = WorkerConfig(
        app="a:b", redis_url="", worker_id="w", board="", channel_fd=0, daemon_pid=1, queues=("a",)
    )  # fmt: skip
    assert served_places(parse_url("redis://127.0.0.1:1/0"), config, app) == ["a"]
