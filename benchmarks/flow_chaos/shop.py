"""The app of the campaign: jobs that note in a journal when they begin and when they end."""

from __future__ import annotations

import os
import random
import time
from typing import Any

from jqjobs import App, Discard, current_job
from jqjobs.jobs.backoff import Fixed

QUEUES = ("one", "two", "three")
app = App()


def note(word: str) -> None:
    """Write "word id attempt pid" into the journal: one write, so that lines stay whole."""
    job = current_job()
    assert job is not None
    journal = os.open(os.environ["CAMPAIGN_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(journal, f"{word} {job.id} {job.attempt} {os.getpid()}\n".encode())
    os.close(journal)


@app.job(queue="one", max_attempts=1000, max_crashes=100_000, backoff=Fixed("100ms"))
def work(course: str = "") -> None:
    """Take a moment. ``course``: "fails" or "falls" (is dead) at its first attempt; "dies": at each."""
    note("begin")
    time.sleep(random.uniform(0.0, 0.1))
    job = current_job()
    is_first = job is not None and job.attempt == 1
    if course == "dies" or (course == "falls" and is_first):
        raise Discard("as it was told")
    if course == "fails" and is_first:
        raise RuntimeError("as it was told")
    note("end")


def call(queue: str, course: str = "") -> Any:
    """Return a call that goes to a queue."""
    return work.options(queue=queue).call(course)
