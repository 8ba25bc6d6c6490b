"""What keys do to a watched answer."""

from __future__ import annotations

from jqjobs.cli.tables import Column, Part, Table
from jqjobs.cli.view import View, with_text

TABLE = Table((Column("NAME"),), [["emails"], ["reports"]], notes={0: ["  ! 3 DEAD"], 1: ["  ! PAUSED"]})


def shown(view: View, latest: tuple[Part, ...] = ("one",), trouble: str = "") -> list[Part]:
    return list(view.parts(latest, trouble))


def test_it_begins_with_what_the_keys_do_and_ends_with_q() -> None:
    view = View("jqctl top")
    assert shown(view) == ["jqctl top  q ends, p pauses, / finds", "one"]
    view.press("q")
    assert view.is_over


def test_a_pause_holds_what_was_there_and_says_so() -> None:
    view = View("t")
    view.press("p")
    assert shown(view, ("then",))[1:] == ["then"]
    assert shown(view, ("later",)) == ["t  PAUSED  q ends, p pauses, / finds", "then"]
    view.press("p")
    assert shown(view, ("later",))[1:] == ["later"]


def test_why_there_is_nothing_newer_is_said_above_what_was_last_known() -> None:
    assert shown(View("t"), ("old",), "Redis is away")[1:] == ["! Redis is away", "old"]


def test_a_text_is_typed_corrected_and_dropped_and_its_letters_are_no_commands() -> None:
    view = View("t")
    view.press("/qx\x7fp")
    assert not view.is_over
    assert shown(view)[0] == "t  /qp▏"
    view.press("\r")
    assert shown(view)[0] == "t  /qp (escape shows all)"
    view.press("\x1b")
    assert shown(view)[0] == "t  q ends, p pauses, / finds"


def test_only_rows_with_the_text_stay_with_the_notes_below_them() -> None:
    [line, table] = with_text(("a line", TABLE), "REP")
    assert line == "a line"
    assert isinstance(table, Table)
    assert (table.rows, table.notes) == ([["reports"]], {0: ["  ! PAUSED"]})
