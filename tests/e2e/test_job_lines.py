"""What the log of a real daemon says of jobs that fail, and its files for jobs alone."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.daemon import Site
from jqjobs.jobs.records import State
from waiting import eventually

APP = """
import logging
import logging.config
import os
import time

from jqjobs import App, Discard, Retry

class Watcher(logging.Handler):
    def emit(self, record):
        with open("watched", "a") as file:
            print(record.name, record.levelname, record.getMessage(), record.exc_info[1], file=file)

logging.config.dictConfig({
    "version": 1, "handlers": {"watcher": {"()": Watcher}}, "root": {"handlers": ["watcher"], "level": "ERROR"},
})
app = App()

@app.job(max_attempts=2, backoff=[0.3])
def fail():
    raise ValueError("boom")

@app.job(max_attempts=3)
def ask_for_retry():
    raise Retry(delay="42s")

@app.job
def succeed():
    return

@app.job(max_crashes=1)
def die():
    os._exit(9)

@app.job(max_attempts=1, timeout="100ms")
def heed_nothing():
    while True:
        try:
            time.sleep(1)
        except BaseException:
            continue

@app.job
def discard():
    raise Discard("no use")
"""


def test_a_failure_says_what_is_next_and_where_it_was_and_only_a_dead_job_is_an_error(site: Site) -> None:
    daemon = site.start_daemon("--app", site.write_app("failing", APP), "--prefetch-ms", "0")
    for name in ("discard", "ask_for_retry", "fail"):
        job = site.send(name)
    site.wait_for(job, State.DEAD)
    daemon.wait_for_event("job.failed", 3)

    lines = {(line["name"], line["attempt"]): line for line in daemon.events("job.failed")}
    assert {key: (line["next"], line["level"]) for key, line in lines.items()} == {
        ("ask_for_retry", 1): ("retry in 42s", "warning"),
        ("fail", 1): ("retry in 300ms", "warning"),
        ("fail", 2): ("dead", "error"),
    }
    assert all('raise ValueError("boom")' in lines["fail", nth]["exception"] for nth in (1, 2))
    assert (site.directory / "watched").read_text() == "jqjobs.job ERROR job.failed boom\n"


def ends(path: Path) -> list[tuple[str, str]]:
    """Which jobs a file tells of, and what."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted((line["name"], line["event"]) for line in lines)


def test_files_for_jobs_have_each_end_and_each_failure_whoever_saw_it(site: Site) -> None:
    site.start_daemon(
        "--app", site.write_app("failing", APP), "--job-log", "jobs.log", "--error-log", "errors.log",
        "--log-level", "warning", "--kill-after", "0.5", wait=False,
    )  # fmt: skip
    for name in ("discard", "fail", "die", "heed_nothing"):
        site.wait_for(site.send(name), State.DEAD)
    site.wait_for(site.send("succeed"), State.KEPT)

    failures = [
        ("die", "job.crashed"), ("discard", "job.discarded"), ("fail", "job.failed"), ("fail", "job.failed"),
        ("heed_nothing", "job.killed"),
    ]  # fmt: skip
    assert ends(site.directory / "errors.log") == failures
    eventually(
        lambda: ends(site.directory / "jobs.log") == sorted([*failures, ("succeed", "job.done")]), what="the last line"
    )
