"""The alert rules and the dashboard in deploy/ speak of metrics that there are, and the rules do what they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jqjobs.cli.metrics.metrics_server import exposition, queue_metrics
from jqjobs.daemon.health.probes import HealthFacts, own_metrics
from jqjobs.jobs.records import State
from jqjobs.jobs.statistics import Ended
from jqjobs.store.calls import daemons, upkeep
from jqjobs.store.calls.deploys import note_release
from jqjobs.store.calls.statistics import add_statistics
from store.queue_system import QueueSystem

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "jqjobs.rules.yml"
RULES_TEST = DEPLOY / "prometheus" / "jqjobs.rules.test.yml"
DASHBOARD = DEPLOY / "grafana" / "jqjobs.json"


@pytest.fixture
def told(real_system: QueueSystem) -> set[str]:
    """The names of all samples that are told of a system in which everything has happened."""
    real_system.run(upkeep.add_queues(["q"]))
    real_system.add("a")
    real_system.run(add_statistics("q", {"n": {"started": 1, **dict.fromkeys(Ended, 1)}}))
    real_system.run(daemons.register("d", 60_000, {"name": "web", "workers": "w"}, {"w": {"state": "ready"}}))
    real_system.run(note_release("v1"))
    facts = HealthFacts(0.1, 0.1, "", 1, 1, "running", "")
    text = exposition(queue_metrics(real_system.store)) + own_metrics(facts)
    return set(re.findall(r"^(\w+)(?:\{| )", text, re.MULTILINE))


def expressions(part: Any) -> list[str]:
    """Every expression and query anywhere in a dashboard."""
    if isinstance(part, dict):
        own = [text for key, text in part.items() if key in ("expr", "query") and isinstance(text, str)]
        return own + [text for value in part.values() for text in expressions(value)]
    return [text for value in part for text in expressions(value)] if isinstance(part, list) else []


def test_alerts_and_dashboard_speak_of_what_is_told(told: set[str]) -> None:
    asked = RULES.read_text() + "\n".join(expressions(json.loads(DASHBOARD.read_text())))
    assert set(re.findall(r"\bjqjobs_\w+", asked)) - told == set()
    outcomes = {word for text in re.findall(r'outcome=~?"([\w|]+)"', asked) for word in text.split("|")}
    assert outcomes <= set(Ended)
    assert set(re.findall(r'jqjobs_jobs\{[^}]*state!?="(\w+)"', asked)) <= set(State)


def test_every_alert_is_seen_firing() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    assert set(re.findall(r'alertname="(\w+)"', RULES_TEST.read_text())) == alerts


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("words", [("check", "rules", RULES.name), ("test", "rules", RULES_TEST.name)], ids=" ".join)
def test_promtool_finds_nothing_wrong(words: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool")
    done = subprocess.run([promtool, *words], cwd=RULES.parent, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
