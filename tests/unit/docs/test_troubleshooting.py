"""docs/troubleshooting.md: each symptom is quoted as the code says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jqjobs.base.config import Environment
from jqjobs.base.imports import require_module
from jqjobs.cli.daemon.daemon_report import _STATES
from jqjobs.cli.overview.queue_report import queue_notes
from jqjobs.cli.overview.status_report import StatusReport, as_text, memory_notes
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.errors import ConfigError, JqError
from jqjobs.jobs.records import State
from jqjobs.link.queue_choice import QueueChoice
from jqjobs.store.reads.jobs import Trace
from jqjobs.store.reads.memory import RedisMemory
from jqjobs.store.reads.queues import QueueStatus
from jqjobs.store.reads.registry import DaemonInfo, Registry
from unit.docs.pages import ROOT, section

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
EMPTY = QueueStatus(
    "emails", *(0,) * 12, paused_ms=None, oldest_ready_s=None, done=0, failed=0, done_per_minute=0.0,
    failed_per_minute=0.0, trimmed=0, now_ms=600_000,
)  # fmt: skip


def quoted(title: str) -> list[str]:
    """The indented lines of a section: what a person sees."""
    return [line.strip() for line in section(PAGE, title).splitlines() if line.startswith("    ")]


def daemon_of(*queues: str) -> Registry:
    daemon = DaemonInfo("d", "jqd", "h", 1, "running", "1", queues, (), 1, "", 1.0, 1.0)
    return Registry(600_000, (daemon,))


def notes(served: str = "emails", **numbers: Any) -> list[str]:
    return [note.strip() for note in queue_notes(EMPTY._replace(**numbers), daemon_of(served))]


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("NOT SERVED", notes("reports")),
        ("PAUSED", notes(paused_ms=300_000)),
        ("PARKED", notes(parked=5, misfits=2)),
        ("FULL", notes(ready=7, max_length=7)),
        ("REJECTED", notes(rejected=4)),
        ("DEAD", notes(dead=12)),
        ("NO DAEMON IS RUNNING", [str(part) for part in as_text(StatusReport("r", Registry(0, ()), [], {}))]),
        ("The state is None", [Trace(False, 0).in_words("emails/xrPjg2tR8HZuJe")]),
    ],
)
def test_a_line_that_a_person_sees_is_what_the_code_says(title: str, said: list[str]) -> None:
    told = [line for line in quoted(title) if not line.startswith("jqctl")]
    assert told
    assert [line for line in told if not any(each.startswith(line) for each in said)] == []


def test_every_state_in_which_a_daemon_takes_no_jobs_is_told_as_status_tells_it() -> None:
    said = " ".join(re.findall(r"^\| `(.*?)`", section(PAGE, "A daemon takes no jobs"), re.MULTILINE))
    states = set(_STATES) - {"reloading"}  # takes jobs all the while
    assert {state for state in states if _STATES[state].partition(" (")[0] not in said} == set()


def test_redis_is_full_is_what_the_code_says() -> None:
    memory = RedisMemory(used_bytes=0, most_bytes=3 * 3600, is_limited=True, growth_per_s=1.0)
    assert list(memory_notes(memory)) == quoted("REDIS IS FULL")


def test_every_state_of_a_job_is_in_the_first_table() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \|", section(PAGE, "My job does not run"), re.MULTILINE)
    assert set(rows) == {state.name for state in State} - {"MOVING"}


@pytest.mark.parametrize(
    ("said", "make"),
    [
        ("no app is given", lambda _: DaemonSettings("", "redis://")),
        ("queue 'a b' is not a valid name", lambda _: DaemonSettings("a:b", "redis://", queues=QueueChoice(("a b",)))),
        ("JQ_REDIS_URL says another prefix",
         lambda path: Environment({"JQ_REDIS_URL": "redis://h/0?prefix=a", "JQ_PREFIX": "b"}, path).redis_url()),
        ("there is no module", lambda path: require_module("nowhere_at_all:app", str(path))),
    ],
)  # fmt: skip
def test_what_is_said_with_exit_78_is_in_the_page(said: str, make: Any, tmp_path: Path) -> None:
    assert f"`{said}`" in section(PAGE, "jqd exits with 78")
    with pytest.raises(JqError) as refused:
        make(tmp_path)
    assert said in refused.value.message


def test_a_directory_that_cannot_be_entered_is_told_as_the_page_has_it(tmp_path: Path) -> None:
    from jqjobs.cli.jqd import enter_directory

    with pytest.raises(ConfigError) as refused:
        enter_directory({"directory": str(tmp_path / "gone")})
    said = refused.value.message.replace(str(tmp_path / "gone"), "/srv/shop").partition(":")[0]
    assert f"`{said}`" in section(PAGE, "jqd exits with 78")


def test_the_list_at_the_top_has_every_symptom() -> None:
    assert re.findall(r"^- \[(.*?)\]", PAGE, re.MULTILINE) == re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
