"""The bar of long acts: in terminals alone, and only once somebody has waited."""

from __future__ import annotations

import io
import sys

import pytest

from jqjobs.cli.job import progress
from jqjobs.cli.job.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)


def gone_through(lefts: list[int]) -> None:
    shown = Progress()
    for left in lefts:
        shown.show(left)
    shown.close()


@pytest.mark.usefixtures("waited")
def test_a_terminal_sees_how_far_it_got(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    gone_through([200, 150, 50, 0])
    assert "  0%" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


@pytest.mark.usefixtures("waited")
def test_each_further_part_has_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    gone_through([10, 0, 300, 0])
    assert terminal.getvalue().count("100%") == 2


@pytest.mark.usefixtures("waited")
def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    gone_through([200, 0])
    assert pipe.getvalue() == ""


def test_what_is_done_soon_needs_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    gone_through([200, 150, 0])
    assert terminal.getvalue() == ""
