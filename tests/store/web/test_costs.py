"""What pages ask of Redis is bounded: no more commands for many jobs than for few, a known number for each queue."""

from __future__ import annotations

import pytest

from jqjobs.jobs.outcome import Outcome
from jqjobs.jobs.records import NewJob
from jqjobs.operations import turns
from jqjobs.store.calls import enqueueing, upkeep
from jqjobs.web import snapshot
from store.queue_system import QueueSystem
from store.web.conftest import Program

PAGES = (
    "/", "/queues/q", "/jobs", "/jobs?queue=q&state=dead", "/jobs?queue=q&state=ready", "/jobs/q/d0", "/errors",
    "/running", "/schedules", "/batches", "/limits", "/daemons", "/new", "/find?q=d0", "/api/v1/status",
    "/api/v1/errors", "/api/v1/jobs?queue=q&state=dead",
)  # fmt: skip
#: By page, how many commands a queue more costs at most, those inside scripts among them. What is shared: counting it,
#: its latest statistics, its last death.
_SHARED = 32
_OF_ITS_OWN = {"/": 1, "/errors": 1, "/schedules": 9, "/batches": 4, "/new": 1, "/find?q=d0": 1, "/api/v1/errors": 2}
#: The chart of the overview adds up the minutes of twenty queues.
_CHART = 60 * 20


@pytest.fixture(autouse=True)
def each_look_reads_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shared between two looks."""
    monkeypatch.setattr(snapshot, "FRESH_S", 0.0)
    monkeypatch.setattr(snapshot, "REST", 0.0)


def commands(system: QueueSystem, program: Program, path: str) -> int:
    """Return how many commands a page makes Redis execute, those inside scripts among them."""
    program.ask("GET", path)  # loads the scripts
    before = _executed(system)
    response = program.ask("GET", path)
    assert response.status in (200, 303), (path, response.body)
    return _executed(system) - before


def _executed(system: QueueSystem) -> int:
    told = system.redis("INFO", "commandstats").decode().splitlines()
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in told if "calls=" in line
               and not line.startswith("cmdstat_info"))  # fmt: skip


def kill(system: QueueSystem, first: int, jobs: int, queue: str = "q") -> None:
    """Have so many more dead jobs of one error."""
    new = [NewJob("n", b"{}", f"d{n}", fields=("max_attempts", 1)) for n in range(first, first + jobs)]
    system.run(enqueueing.enqueue(queue, new))
    while taken := system.take(f"w-{queue}", 100, queues=(queue,)):
        ended = [Outcome.failed(job, delay_ms=0, error="E: x", line=b"{}", group="0" * 12) for job in taken]
        system.trip(f"w-{queue}", 0, ended, queues=(queue,))


def test_no_page_asks_for_more_when_there_are_more_jobs(system: QueueSystem, program: Program) -> None:
    system.run(upkeep.add_queues(["q"]))
    kill(system, 0, 60)
    system.add(*(f"r{n}" for n in range(60)))
    few = {path: commands(system, program, path) for path in PAGES}

    system.redis("RENAME", system.key("ready"), system.key("aside"))
    kill(system, 60, 940)
    system.redis("RENAME", system.key("aside"), system.key("ready"))
    system.add(*(f"r{n}" for n in range(60, 1000)))

    assert {path: commands(system, program, path) for path in PAGES} == pytest.approx(few, abs=4)


def test_a_queue_more_costs_a_page_a_known_number_of_commands(system: QueueSystem, program: Program) -> None:
    system.run(upkeep.add_queues(["q"]))
    kill(system, 0, 1)
    one = {path: commands(system, program, path) for path in PAGES}
    names = [f"q{n}" for n in range(100)]
    system.run(upkeep.add_queues(names))
    for name in names:
        kill(system, 0, 1, name)
        system.add("r", queue=name)

    more = {path: commands(system, program, path) - one[path] - _CHART * (path == "/") for path in PAGES}
    above = {path: asked / len(names) for path, asked in more.items()
             if asked > len(names) * (_SHARED + _OF_ITS_OWN.get(path, 0))}  # fmt: skip
    assert above == {}


def test_of_very_many_queues_each_look_counts_a_part_in_turn(
    system: QueueSystem, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_LEAST", 1)
    names = [f"q{n}" for n in range(40)]
    system.run(upkeep.add_queues(names))
    program.get("queues")
    for name in names:
        system.add("r", queue=name)

    assert [sum(each["ready"] for each in program.get("queues")["queues"]) for _ in range(4)] == [10, 20, 30, 40]
