"""Tables fit where they are read, say what they left out, and are coloured for terminals alone."""

from __future__ import annotations

import io
import sys

import pytest
from rich.cells import cell_len

from jqjobs.cli import output
from jqjobs.cli.output import complain, write_lines
from jqjobs.cli.tables import Column, Table, alarm, lay_out

COLUMNS = (Column("NAME", flexible=True), Column("N", right=True), Column("TEXT", flexible=True))
NUMBERS = (
    Column("QUEUE", flexible=True), Column("FIRST", goes=1), Column("SECOND", goes=2), Column("THIRD", goes=3),
    Column("DEAD", right=True, colour=alarm), Column("MORE", wide=True),
)  # fmt: skip


class Tty(io.StringIO):
    """A terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Tty:
    """Let the rest of the test write into a terminal of 60 columns; pytest changes streams after fixtures."""
    made = Tty()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


def laid_out(columns: tuple[Column, ...], rows: list[list[str]], most: int | None = 100) -> list[str]:
    return list(lay_out([Table(columns, rows)], most))


def test_a_table_is_aligned_and_its_flexible_columns_give_way() -> None:
    assert laid_out(COLUMNS, [["a", "10", "x"], ["bcdef", "7", ""]]) == [
        "NAME    N  TEXT",
        "a      10  x",
        "bcdef   7",
    ]
    lines = laid_out(COLUMNS, [["a" * 90, "1", "b" * 200], ["\x1b", "2", "short"]])
    assert [len(line) <= 100 for line in lines] == [True, True, True]
    assert lines[1].count("…") == 2
    assert lines[2].startswith("\\x1b ")


@pytest.mark.parametrize("most", [None, 40, 41])
def test_letters_of_two_columns_and_accents_of_none_are_aligned_and_cut_as_a_terminal_shows_them(
    most: int | None,
) -> None:
    rows = [["注文", "1", "在庫切れです" * 9], ["e\u0301te\u0301", "22", "x"], ["a", "333", "ü" * 60]]
    lines = laid_out(COLUMNS, rows, most)
    starts = {cell_len(line.rpartition("  ")[0]) for line in lines}
    assert len(starts) == 1
    assert most is None or (max(map(cell_len, lines)) <= most and lines[1].endswith("…"))


def test_a_table_without_rows_is_its_title() -> None:
    assert laid_out(COLUMNS, []) == ["NAME  N  TEXT"]


def test_where_it_is_narrow_columns_that_say_nothing_go_first_and_others_are_named() -> None:
    row = ["emails", "1", "0", "3", "4", "5"]
    assert laid_out(NUMBERS, [row], 40)[0] == "QUEUE   FIRST  SECOND  THIRD  DEAD"
    assert laid_out(NUMBERS, [row], 32)[0] == "QUEUE   FIRST  THIRD  DEAD", "SECOND is 0, so nobody misses it"
    assert laid_out(NUMBERS, [row], 20) == [
        "QUEUE   THIRD  DEAD",
        "emails  3         4",
        "(-o wide shows FIRS…",
    ]


def test_wide_has_all_columns_and_cuts_nothing() -> None:
    title, row = laid_out(NUMBERS, [["q" * 200, "1", "0", "3", "4", "5"]], None)
    assert title.split() == ["QUEUE", "FIRST", "SECOND", "THIRD", "DEAD", "MORE"]
    assert row.split() == ["q" * 200, "1", "0", "3", "4", "5"]


def test_a_name_that_is_long_is_cut_before_a_column_goes() -> None:
    title, row = laid_out(NUMBERS, [["q" * 50, "1", "2", "3", "4", "5"]], 50)
    assert title.split() == ["QUEUE", "FIRST", "SECOND", "THIRD", "DEAD"]
    assert "…" in row


def test_a_terminal_gets_colours_and_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    rows = [["good", "1", "2", "3", "0", ""], ["b" * 99, "1", "2", "3", "7", ""]]
    write_lines([Table(NUMBERS, rows), "  ! 7 DEAD", "plain"])
    title, good, bad, note, plain = terminal.getvalue().splitlines()
    assert title.startswith("\x1b[1m")
    assert "\x1b" not in good + plain
    assert "\x1b[31m   7\x1b[0m" in bad
    assert note == "\x1b[33m  ! 7 DEAD\x1b[0m"
    assert len(bad.replace("\x1b[31m", "").replace("\x1b[0m", "")) == 60


def test_an_error_shows_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    complain("jqctl: there is no queue", "of jqctl: not")
    assert terminal.getvalue() == "\x1b[31mjqctl:\x1b[0m there is no queue\nof jqctl: not\n"


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    terminal = open_terminal(monkeypatch)
    monkeypatch.setenv(variable, value)
    write_lines([Table(NUMBERS, [["q", "1", "2", "3", "7", ""]]), "! note"])
    complain("jqctl: no")
    assert "\x1b" not in terminal.getvalue()


def test_a_pipe_gets_no_colours_and_a_hundred_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    write_lines([Table(NUMBERS, [["q" * 200, "1", "2", "3", "7", ""]]), "! note"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) == output.WIDTH


def test_what_comes_from_outside_cannot_colour_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    write_lines([Table(COLUMNS, [["\x1b[31m", "1", "x"]]), "a\x1b[0m"])
    assert "\x1b[31m" not in terminal.getvalue()
    assert "\\x1b[0m" in terminal.getvalue()
