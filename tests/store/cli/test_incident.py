"""An incident, end to end: ten thousand dead of six kinds, acted on by kind while others go on dying.

Each step takes seconds at most, and touches only what was there when it began.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import new_ids
from jqjobs.store.calls import upkeep
from servers import Server
from store.cli.terminal import Terminal
from store.queue_system import QueueSystem

#: Kind: job name, error, group. How many of each died before the moment since which the provider was down, and after.
KINDS = {
    "old mail": ("mail", "SMTPError: no route", "f1", 1000), "mail": ("mail", "SMTPError: no route", "f1", 3500),
    "mail key": ("mail", "KeyError: 'to'", "f2", 1500), "bill": ("bill", "Timeout: 30 s", "f3", 2000),
    "bill route": ("bill", "SMTPError: no route", "f4", 1500), "report": ("report", "MemoryError", "f5", 500),
}  # fmt: skip
#: What a step may take at most, on a machine that has other things to do too.
SECONDS = 30


def kill(system: QueueSystem, name: str, error: str, group: str, count: int) -> list[str]:
    ids = new_ids(count)
    for start in range(0, count, 100):
        system.add(*ids[start : start + 100], name=name, payload=b'{"args":[1]}')
        jobs = system.take(want=100)
        ends = [Outcome.discarded(job, error=error, line=b"{}", group=group) for job in jobs]
        system.trip("w", 0, ends)
    return ids


@contextmanager
def dying_meanwhile(url: str) -> Iterator[Callable[[], int]]:
    """Others die of the commonest error, again and again, in another thread; say how many by now."""
    over, died = threading.Event(), []
    system = QueueSystem(url)
    system.store._now_ms = None
    system.trips["w2"] = 0
    system.join("w2")

    def run() -> None:
        while not over.is_set():
            [job_id] = new_ids(1)
            system.add(job_id, name="mail")
            for job in system.take("w2"):
                end = Outcome.discarded(job, error="SMTPError: no route", line=b"{}", group="f1")
                system.trip("w2", 0, [end])
                died.append(job.id)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: len(died)
    finally:
        over.set()
        thread.join()
        system.store.close()


class Step:
    """What a person does: a command that must not take long."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def __call__(self, *words: str) -> dict[str, Any]:
        began_s = time.monotonic()
        answer = self._terminal.json(*words)
        assert time.monotonic() - began_s < SECONDS, words
        return answer

    def lines(self, *words: str) -> list[dict[str, Any]]:
        began_s = time.monotonic()
        assert self._terminal.run(*words) == 0
        assert time.monotonic() - began_s < SECONDS, words
        return [json.loads(line) for line in self._terminal.out.splitlines()]


@pytest.fixture
def ids(system: QueueSystem) -> dict[str, list[str]]:
    """The dead, by kind; the old ones died before all others."""
    system.run(upkeep.add_queues(["q"]))
    made = {}
    for kind, about in KINDS.items():
        made[kind] = kill(system, *about)
        time.sleep(0.002)  # so that the next kind dies in another millisecond
    return made


def test_ten_thousand_dead_jobs_are_dealt_with_by_kind(
    system: QueueSystem, terminal: Terminal, any_server: Server, ids: dict[str, list[str]]
) -> None:
    do = Step(terminal)
    since = str(min(int(system.score("dead", job_id) or 0) for job_id in ids["mail"]))
    mail = ("--queue", "q", "--name", "mail", "--error", "SMTPError")
    with dying_meanwhile(any_server.url) as died:
        groups = {(group["name"], group["error"]): group["count"] for group in do("errors")["errors"]}
        assert len(groups) == 5  # two kinds are told apart by their age alone
        assert groups["mail", "SMTPError: no route"] >= 4500

        dry = do("job", "retry", *mail, "--since", since, "--dry-run")
        assert 3500 <= dry["matched"] <= 3500 + died()
        retried = do("job", "retry", *mail, "--since", since, "--yes")
        assert dry["matched"] <= retried["done"] == retried["matched"] <= 3500 + died()
        assert (retried["left"], retried["cursor"]) == (0, None)

        age_ms = int(time.time() * 1000) - int(since)
        deleted = do("job", "delete", "--state", "dead", *mail, "--older-than", f"{age_ms}ms", "--yes")
        assert deleted["done"] == 1000

        moved = do("job", "move", "--queue", "q", "--error", "MemoryError", "--to", "reports", "--yes")
        assert (moved["matched"], moved["done"]) == (500, 500)

        rest = do.lines("job", "export", "--queue", "q", "--state", "dead", "--since", "1h")
        assert died() > 0

    of_kind = {job_id: kind for kind, members in ids.items() for job_id in members}
    dead = [job_id for job_id in system.ids("dead") if job_id in of_kind]
    again = [job_id for job_id in dead if of_kind[job_id] == "mail"]
    assert {system.counters(job_id)["executions"] for job_id in again} <= {2}  # sent back once, and dead again
    left = Counter(of_kind[job_id] for job_id in dead if job_id not in again)
    assert left == {"mail key": 1500, "bill": 2000, "bill route": 1500}
    assert sorted(system.ids("dead", queue="reports")) == sorted(ids["report"])
    assert Counter(of_kind.get(line["id"]) for line in rest) & left == left
    assert set(ids["mail"]) == set(ids["mail"]) & {*system.ids("ready"), *again, *system.active().get("w2", [])}
