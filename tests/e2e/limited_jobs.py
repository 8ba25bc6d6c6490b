"""The app of the tests of limits, and a producer: ``python limited_jobs.py JOB FIRST COUNT``."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path

from jqjobs import App, Concurrency, RateLimit

app = App()

USERS = 5
#: Every so-many-th job of a producer is a long one.
LONG_EVERY, LONG_S = 7, 2


@app.job(keep="1h", rate_limit=RateLimit(10, seconds=1))
def paced(seconds: float) -> None:
    time.sleep(seconds)


@app.job(keep="1h", rate_limit=RateLimit(2, seconds=1, key="user:{user}"))
def personal(seconds: float, user: int) -> None:
    time.sleep(seconds)


@app.job(keep="1h", rate_limit=RateLimit(100, seconds=1))
def fast() -> None: ...


@app.job(keep="1h", rate_limit=RateLimit(2, seconds=1))
def free_of_charge() -> None: ...


@app.job(keep="1h", rate_limit=RateLimit(2, seconds=1), throttle_counts=True, max_attempts=3)
def costly() -> None: ...


@app.job(keep="1h", concurrency=Concurrency(3), max_crashes=1000)
def guarded(seconds: float) -> None:
    """Note, under a lock, how many run now; a process that is dead runs nothing."""
    journal = Path(os.environ["JQ_TEST_JOURNAL"])
    note_running(journal, add=True)
    time.sleep(seconds)
    note_running(journal, add=False)


def note_running(journal: Path, *, add: bool) -> None:
    with journal.with_suffix(".running").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        pids = [pid for pid in file.read().split() if pid != str(os.getpid()) and lives(pid)]
        pids += [str(os.getpid())] * add
        file.truncate(0)
        file.write(" ".join(pids))
        with journal.with_suffix(".counts").open("a") as counts:
            counts.write(f"{len(pids)} ")


def lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def produce(name: str, first: int, count: int) -> None:
    for n in range(first, first + count):
        seconds = LONG_S if n % LONG_EVERY == 0 else 0
        arguments = (seconds,) if name == "paced" else (seconds, n % USERS)
        app.jobs[name].options(id=f"{name}{n}").enqueue(*arguments)


if __name__ == "__main__":
    produce(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
