"""`jqctl metrics` and the collector tell the same, in names that dashboards rely on, and prometheus_client reads it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from jqjobs import App
from jqjobs.cli.exit_codes import Exit
from jqjobs.cli.metrics.metrics_server import MetricsServer
from jqjobs.cli.session import Session
from jqjobs.jobs.statistics import BOUNDS_MS
from jqjobs.prometheus import Collector
from jqjobs.store.calls import daemons, upkeep
from jqjobs.store.calls.statistics import add_statistics
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

NAMES = {
    "jqjobs_jobs": "gauge", "jqjobs_oldest_ready_seconds": "gauge", "jqjobs_paused": "gauge",
    "jqjobs_executions": "counter", "jqjobs_run_seconds": "histogram", "jqjobs_wait_seconds": "histogram",
    "jqjobs_workers": "gauge", "jqjobs_wanted_workers": "gauge", "jqjobs_redis_used_bytes": "gauge",
}  # fmt: skip


def bring_about(system: QueueSystem) -> None:
    """A paused queue with three jobs, some that ran, another with a minute of work, and a daemon with two workers."""
    system.run(upkeep.add_queues(["q", "r"]))
    system.add("a", "b", "c")
    system.run(upkeep.pause("q"))
    system.run(
        add_statistics("q", {"n": {"started": 3, "done": 2, "retried": 1, "run_ms": 2500, "run:0": 1, "run:8": 2}})
    )
    system.add("d", "e", "f", name="m", queue="r")
    system.run(add_statistics("r", {"m": {"started": 1, "done": 1, "run_ms": 20_000, "run:12": 1}}))
    workers = {"w1": {"state": "ready"}, "w2": {"state": "busy"}}
    system.run(daemons.register("d", 60_000, {"name": "web", "workers": "w1 w2"}, workers))


def told(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Metric], family: str, sample: str = "", **labels: str) -> float:
    [found] = [one for one in families[family].samples if one.name == (sample or family) and one.labels == labels]
    return found.value


def check(families: dict[str, Metric]) -> None:
    assert {name: family.type for name, family in families.items()} == NAMES
    assert value(families, "jqjobs_jobs", queue="q", state="ready") == 3
    assert value(families, "jqjobs_paused", queue="q") == 1
    assert [value(families, "jqjobs_wanted_workers", queue=queue) for queue in ("q", "r")] == [0, 2]
    assert value(families, "jqjobs_executions", "jqjobs_executions_total", queue="q", job="n", outcome="done") == 2
    assert value(families, "jqjobs_executions", "jqjobs_executions_total", queue="q", job="n", outcome="retried") == 1
    assert value(families, "jqjobs_run_seconds", "jqjobs_run_seconds_sum", queue="q", job="n") == 2.5
    buckets = [
        one
        for one in families["jqjobs_run_seconds"].samples
        if one.name.endswith("_bucket") and one.labels["queue"] == "q"
    ]
    assert [float(one.labels["le"]) for one in buckets] == [*(bound / 1000 for bound in BOUNDS_MS), float("inf")]
    assert [one.value for one in buckets] == [1] * 8 + [3] * 14
    assert value(families, "jqjobs_workers", state="busy") == 1
    assert value(families, "jqjobs_redis_used_bytes") > 100_000


@contextmanager
def listening(url: str) -> Iterator[str]:
    with MetricsServer("127.0.0.1:0", Session(redis_flag=url)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://{server.name}"
        server.shutdown()
        thread.join()


def test_what_is_printed_is_read_by_prometheus(system: QueueSystem, terminal: Terminal) -> None:
    bring_about(system)
    assert terminal.run("metrics") == 0
    check(told(terminal.out))


def test_tools_are_told_the_same_as_json(system: QueueSystem, terminal: Terminal) -> None:
    bring_about(system)
    found = {family["name"].removesuffix("_total"): family for family in terminal.json("metrics")["metrics"]}
    assert {name: family["kind"] for name, family in found.items()} == NAMES
    [ready] = [
        one["value"] for one in found["jqjobs_jobs"]["samples"] if one["labels"] == {"queue": "q", "state": "ready"}
    ]
    [ran] = [one for one in found["jqjobs_run_seconds"]["samples"] if one["labels"] == {"queue": "q", "job": "n"}]
    assert (ready, ran["sum"], ran["count"], ran["buckets"]["+Inf"]) == (3, 2.5, 3, 3)
    assert terminal.run("metrics", "--listen", "127.0.0.1:0", "--json") == Exit.USAGE
    assert "with --listen" in terminal.err


def test_it_is_told_by_http_too(system: QueueSystem) -> None:
    bring_about(system)
    with listening(system.url) as address:
        with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            check(told(answer.read().decode()))
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(f"{address}/", timeout=30)
        refused.value.close()


def test_without_redis_a_scrape_fails_and_the_next_one_can_succeed(capsys: pytest.CaptureFixture[str]) -> None:
    with listening("redis://127.0.0.1:1") as address:
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError, match="503") as refused:
                urllib.request.urlopen(f"{address}/metrics", timeout=30)
            refused.value.close()
    assert "cannot be reached" in capsys.readouterr().err


def test_a_collector_tells_the_same(system: QueueSystem) -> None:
    bring_about(system)
    registry = CollectorRegistry()
    registry.register(Collector(App(redis_url=system.url)))
    check(told(generate_latest(registry).decode()))


def test_numbers_grow_and_never_fall(system: QueueSystem, terminal: Terminal) -> None:
    bring_about(system)
    terminal.run("metrics")
    before = told(terminal.out)
    system.run(add_statistics("q", {"n": {"started": 1, "done": 1, "run:0": 1}}))
    terminal.run("metrics")
    after = told(terminal.out)
    for family in ("jqjobs_executions", "jqjobs_run_seconds", "jqjobs_wait_seconds"):
        for one, later in zip(before[family].samples, after[family].samples, strict=True):
            assert (later.name, later.labels) == (one.name, one.labels)
            assert later.value >= one.value
    assert value(after, "jqjobs_executions", "jqjobs_executions_total", queue="q", job="n", outcome="done") == 3
