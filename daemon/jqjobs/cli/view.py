"""What of a watched answer is on the screen, and what keys do to that. No terminal, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jqjobs.cli.tables import Part, Table

_KEYS = "q ends, p pauses, / finds"
_ENTER, _ESCAPE, _BACKSPACE = "\r\n", "\x1b", "\x7f\b"


class View:
    """The answer below a line that says what is going on.

    q ends, p stops the picture and lets it go on, / begins a text: only rows that have it in them are shown, until
    escape.
    """

    def __init__(self, title: str) -> None:
        self.is_over = False
        self._title = title
        self._still: tuple[Part, ...] | None = None
        self._is_paused = self._is_typing = False
        self._wanted = ""

    def press(self, keys: str) -> None:
        """Do what keys ask for."""
        for key in keys:
            if self._is_typing:
                self._type(key)
            elif key == "q":
                self.is_over = True
            elif key == "p":
                self._is_paused, self._still = not self._is_paused, None
            elif key == "/":
                self._is_typing, self._wanted = True, ""
            elif key == _ESCAPE:
                self._wanted = ""

    def _type(self, key: str) -> None:
        if key in _ENTER:
            self._is_typing = False
        elif key == _ESCAPE:
            self._is_typing, self._wanted = False, ""
        elif key in _BACKSPACE:
            self._wanted = self._wanted[:-1]
        elif key.isprintable():
            self._wanted += key

    def parts(self, latest: tuple[Part, ...], trouble: str) -> Iterator[Part]:
        """Return what is to be painted. ``trouble``: why there is nothing newer than ``latest``, or ""."""
        if self._is_paused and self._still is None:
            self._still = latest
        yield self._status
        if trouble:
            yield f"! {trouble}"
        yield from with_text(latest if self._still is None else self._still, self._wanted)

    @property
    def _status(self) -> str:
        finds = f"/{self._wanted}{'▏' if self._is_typing else ' (escape shows all)'}"
        is_finding = self._is_typing or self._wanted
        return "  ".join(
            filter(None, (self._title, "PAUSED" if self._is_paused else "", finds if is_finding else _KEYS))
        )


def with_text(parts: Sequence[Part], wanted: str) -> Iterator[Part]:
    """Return what is left when tables have only rows with a text in them, in whatever case."""
    for part in parts:
        yield _rows_with(part, wanted.lower()) if wanted and isinstance(part, Table) else part


def _rows_with(table: Table, wanted: str) -> Table:
    kept = [n for n, row in enumerate(table.rows) if any(wanted in cell.lower() for cell in row)]
    notes = {place: table.notes[n] for place, n in enumerate(kept) if n in table.notes}
    return table._replace(rows=[table.rows[n] for n in kept], notes=notes)
