"""`jqctl recent`: the shape of its answer, and what it leaves out."""

from __future__ import annotations

from jqjobs.cli.exit_codes import Exit
from jqjobs.jobs.statistics import Ended, end_line
from jqjobs.store.calls import upkeep
from jqjobs.store.calls.statistics import add_statistics
from store.cli.terminal import Terminal
from store.queue_system import START_MS, QueueSystem


def bring_about(system: QueueSystem) -> None:
    """Four ends in two queues, of jobs of which nothing else is left."""
    system.run(upkeep.add_queues(["q", "r"]))
    for queue, ms, line in (
        ("q", 1, end_line("a", "mail", Ended.DONE, 12, 3)),
        ("r", 2, end_line("b", "mail", Ended.FAILED, 1500, None)),
        ("q", 3, end_line("c", "sum", Ended.DONE, 0, 0)),
        ("q", 4, "d sum expired - -"),
    ):
        system.run(add_statistics(queue, {}, [(START_MS + ms, line)]))


def test_ends_of_all_queues_come_latest_first_with_all_their_facts(system: QueueSystem, terminal: Terminal) -> None:
    bring_about(system)
    jobs = terminal.json("recent")["jobs"]
    assert jobs[3] == {
        "id": "a", "queue": "q", "name": "mail", "outcome": "done", "run_ms": 12, "wait_ms": 3,
        "ended_ms": START_MS + 1,
    }  # fmt: skip
    assert [(job["id"], job["outcome"], job["run_ms"], job["wait_ms"]) for job in jobs] == [
        ("d", "expired", None, None), ("c", "done", 0, 0), ("b", "failed", 1500, None), ("a", "done", 12, 3),
    ]  # fmt: skip


def test_queue_and_name_select(system: QueueSystem, terminal: Terminal) -> None:
    bring_about(system)
    assert terminal.run("recent", "--queue", "q", "-o", "ids") == 0
    assert terminal.out.split() == ["q/d", "q/c", "q/a"]
    both = ("--queue", "q", "--queue", "r")
    assert [job["id"] for job in terminal.json("recent", *both)["jobs"]] == ["d", "c", "b", "a"]
    assert [job["id"] for job in terminal.json("recent", "--name", "mail")["jobs"]] == ["b", "a"]
    assert terminal.error("recent", "--queue", "typo")["code"] == "not_found"
    assert terminal.code == Exit.NOT_FOUND


def test_people_get_a_table(system: QueueSystem, terminal: Terminal) -> None:
    bring_about(system)
    terminal.run("recent")
    head, *rows = terminal.out.splitlines()
    assert head.split() == ["ENDED", "OUTCOME", "NAME", "ID", "QUEUE", "RAN", "WAITED"]
    assert [row.split()[-6:] for row in rows[1:3]] == [
        ["done", "sum", "c", "q", "0ms", "0ms"],
        ["failed", "mail", "b", "r", "1s", "-"],
    ]


def test_nothing_has_ended_yet(terminal: Terminal) -> None:
    assert terminal.run("recent") == 0
    assert terminal.out == "nothing has ended in the last day that anybody remembers\n"
