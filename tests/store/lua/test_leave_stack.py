"""lua/leave.lua, ARGV[5]: where a job was when it was killed for its time limit."""

from __future__ import annotations

import pytest

from jqjobs.link.board import BoardEntry
from jqjobs.store.calls import leases
from jqjobs.store.reads.jobs import job_info
from store.queue_system import QueueSystem

STACK = 'Current thread 0x00007f (most recent call first):\n  File "/srv/ä\t\\x.py", line 3 in the_job\n'
CAUSE = "ran longer than its time limit of 1 s and was killed"


def leave(system: QueueSystem, *board: BoardEntry, stack: str = STACK) -> int:
    return system.run(leases.leave("q", "w", CAUSE, board, stack))


def test_the_stack_of_a_hung_job_is_in_its_history_and_not_in_its_error(system: QueueSystem) -> None:
    system.add("a", "b")
    system.take("w", 2)

    assert leave(system, BoardEntry("a", 1, "hung")) == 2
    [line] = system.history("a")
    assert (line["reason"], line["error"], line["traceback"]) == ("hung", CAUSE, STACK)
    assert system.job("a")["error"] == CAUSE
    assert system.history("b") == [], "it was not running"


def test_what_people_are_shown_has_the_stack_too(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    leave(system, BoardEntry("a", 1, "hung"))

    assert system.run(job_info("q", "a")).history[0].traceback == STACK


def test_without_a_stack_there_is_no_traceback(system: QueueSystem) -> None:
    system.add("a")
    system.take("w")
    leave(system, BoardEntry("a", 1, "hung"), stack="")
    [line] = system.history("a")

    assert line["reason"] == "hung"
    assert "traceback" not in line


@pytest.mark.parametrize("word", ["crashed", "suspect 1 1", "interrupted"])
def test_only_a_hung_job_has_one(system: QueueSystem, word: str) -> None:
    system.add("a")
    system.take("w")
    leave(system, BoardEntry("a", 1, word))

    assert [line.get("traceback") for line in system.history("a")] == [None]


def test_the_board_is_read_in_full_behind_a_stack(system: QueueSystem) -> None:
    system.add("a", "b", "c")
    system.take("w", 3)
    leave(system, BoardEntry("a", 1, "succeeded"), BoardEntry("b", 1, "hung"), BoardEntry("c", 1, "failed"))

    assert system.states("a") == []
    assert system.history("b")[0]["traceback"] == STACK
    assert system.history("c")[0]["reason"] == "failed"
    assert "traceback" not in system.history("c")[0]
