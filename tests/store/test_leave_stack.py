"""lua/leave.lua, ARGV[5]: where a job was when it was killed for its time limit."""

from __future__ import annotations

import pytest

from jqjobs.store import calls
from jqjobs.store.calls import BoardEntry
from jqjobs.store.inspect import job_info
from store.rig import Rig

STACK = 'Current thread 0x00007f (most recent call first):\n  File "/srv/ä\t\\x.py", line 3 in the_job\n'
CAUSE = "ran longer than its time limit of 1 s and was killed"


def leave(rig: Rig, mode: str, *board: BoardEntry, stack: str = STACK) -> int:
    return rig.run(calls.leave("q", "w", mode, CAUSE, board, stack))


def test_the_stack_of_a_hung_job_is_in_its_history_and_not_in_its_error(rig: Rig) -> None:
    rig.add("a", "b")
    rig.take("w", 2)

    assert leave(rig, "hung", BoardEntry("a", 1, "running")) == 2
    [line] = rig.history("a")
    assert (line["reason"], line["error"], line["traceback"]) == ("hung", CAUSE, STACK)
    assert rig.job("a")["error"] == CAUSE
    assert rig.history("b") == [], "it was not running"


def test_what_people_are_shown_has_the_stack_too(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")
    leave(rig, "hung", BoardEntry("a", 1, "running"))

    assert rig.run(job_info("q", "a")).history[0].traceback == STACK


def test_without_a_stack_there_is_no_traceback(rig: Rig) -> None:
    rig.add("a")
    rig.take("w")
    leave(rig, "hung", BoardEntry("a", 1, "running"), stack="")
    [line] = rig.history("a")

    assert line["reason"] == "hung"
    assert "traceback" not in line


@pytest.mark.parametrize("mode", ["crash", "suspect", "interrupt"])
def test_only_a_hung_job_has_one(rig: Rig, mode: str) -> None:
    rig.add("a")
    rig.take("w")
    leave(rig, mode, BoardEntry("a", 1, "running"))

    assert [line.get("traceback") for line in rig.history("a")] == [None]


def test_the_board_is_read_in_full_behind_a_stack(rig: Rig) -> None:
    rig.add("a", "b", "c")
    rig.take("w", 3)
    leave(rig, "hung", BoardEntry("a", 1, "succeeded"), BoardEntry("b", 1, "running"), BoardEntry("c", 1, "failed"))

    assert rig.states("a") == []
    assert rig.history("b")[0]["traceback"] == STACK
    assert rig.history("c")[0]["reason"] == "failed"
    assert "traceback" not in rig.history("c")[0]
