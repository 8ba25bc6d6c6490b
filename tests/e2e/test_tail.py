"""`jqctl tail` beside real daemons."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.daemon import Site
from jqjobs.store import keys
from waiting import eventually


@contextmanager
def tailed(site: Site, *words: str) -> Iterator[Path]:
    """Run `jqctl tail --json` until the end of this; yields where its lines are."""
    environment = os.environ | {"JQ_REDIS_URL": site.server.url, "PYTHONPATH": os.pathsep.join(sys.path)}
    path = site.directory / "tail.jsonl"
    with path.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "jqjobs.cli.jqctl", "tail", "--json", *words],
                                   env=environment, stdout=out)  # fmt: skip
        try:
            eventually(lambda: site.server.call("HEXISTS", f"jq:{keys.meta('default')}", "tail"))
            yield path
        finally:
            process.terminate()
            process.wait(20)


def events_of(path: Path, job_id: str) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines(keepends=True)
    return [event for line in lines if line.endswith("\n") and (event := json.loads(line))["id"] == job_id]


def test_tail_tells_in_json_of_each_attempt_that_begins_and_ends(site: Site) -> None:
    site.start_daemon()
    with tailed(site) as path:
        quick, failing = site.send("quick"), site.send("sys_exit")
        eventually(lambda: len(events_of(path, quick.id)) == 2 and len(events_of(path, failing.id)) >= 2)
    began, ended = events_of(path, quick.id)
    assert set(began) == {"v", "event", "id", "queue", "name", "attempt", "outcome", "run_ms", "at_ms"}
    assert (began["event"], began["queue"], began["name"], began["attempt"]) == ("started", "default", "quick", 1)
    assert (began["outcome"], began["run_ms"]) == (None, None)
    assert (ended["event"], ended["outcome"], ended["run_ms"] >= 0) == ("ended", "done", True)
    assert ended["at_ms"] >= began["at_ms"]
    assert [event["outcome"] for event in events_of(path, failing.id)][:2] == [None, "failed"]


def test_tail_tells_of_a_job_that_killed_its_worker(site: Site) -> None:
    site.start_daemon()
    with tailed(site, "--state", "crashed") as path:
        job = site.send("die_by_signal", 9)
        [crash] = eventually(lambda: events_of(path, job.id))
    assert (crash["event"], crash["outcome"], crash["run_ms"]) == ("ended", "crashed", None)
