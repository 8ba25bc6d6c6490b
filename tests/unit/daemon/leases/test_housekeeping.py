"""What housekeeping says of dead jobs that retention has forgotten."""

from __future__ import annotations

import pytest

from jqjobs.daemon.leases.housekeeping import Trimmed
from jqjobs.daemon.settings import DaemonSettings
from jqjobs.store.calls.upkeep import Housekept
from log_lines import Lines
from unit.daemon.fake_workers import Clock


def found(trimmed: int, *, more: bool = False) -> Housekept:
    return Housekept(more, None, inbox=False, reaped=0, trimmed=trimmed)


@pytest.fixture
def trimmed(clock: Clock) -> Trimmed:
    return Trimmed(DaemonSettings("shop:app", "redis://", max_dead=10, dead_s=60))


def test_a_wave_is_one_line_that_names_the_limits(trimmed: Trimmed, logged: Lines) -> None:
    trimmed.note("q", found(100, more=True), 10)
    trimmed.note("q", found(100, more=True), 10)
    trimmed.note("q", found(40), 10)

    [line] = logged.of("dead.trimmed")
    assert (line["queue"], line["trimmed"]) == ("q", 240)
    assert line["hint"] == "kept are the last 10 (--max-dead) of 1m00s (--dead)"


def test_what_goes_on_is_said_once_a_minute_and_nothing_is_left_out(
    trimmed: Trimmed, logged: Lines, clock: Clock
) -> None:
    for _ in range(5):
        trimmed.note("q", found(1), 10)
        trimmed.note("other", found(0), 10)
        clock.now_s += 15
    trimmed.note("q", found(0), 10)

    assert [(line["queue"], line["trimmed"]) for line in logged.of("dead.trimmed")] == [("q", 1), ("q", 4)]
