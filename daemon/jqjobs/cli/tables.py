"""Tables for people: aligned, as wide as the place where they are read, and there without what does not fit.

What a command tells is made of parts, lines and tables; they are laid out when it is known who reads them:

    part, part, … ─▶ lay_out(parts, width) ─▶ lines

Where a table is too wide, flexible columns are cut first, down to what can be read still; then columns go that say
nothing, then those that may go; a line below names what was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from jqjobs.base.escape import visible
from jqjobs.cli.colours import Colour, paint
from jqjobs.cli.text_width import fitted, width_of

#: A flexible column is cut to this before others are left out, and to less only when none is left that may go.
_READABLE_COLUMN = 16
_NARROWEST_COLUMN = 8
_GAP = "  "
#: Cells that say nothing.
_BLANK = frozenset({"", "-", "0", "0.0"})
_GOOD_STATES = frozenset({"running", "ready", "busy"})


class Column(NamedTuple):
    """A column of a table.

    ``flexible``: it is cut when the table is too wide. ``goes``: when it is left out then, 1 first; 0: never.
    ``wide``: it is there with ``-o wide`` alone. ``colour``: of a cell, when it has one.
    """

    title: str
    right: bool = False
    flexible: bool = False
    goes: int = 0
    wide: bool = False
    colour: Callable[[str], Colour | None] | None = None


class Table(NamedTuple):
    """A table that is still to be laid out. ``notes``: number of a row → lines below it."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    indent: str = ""
    notes: Mapping[int, Sequence[str]] = {}


#: What commands tell people.
Part = str | Table


class PaintedLine(str):
    """A line that can be shown as it is, and with colours as ``painted``."""

    painted: str

    def __new__(cls, pieces: Sequence[tuple[str, Colour | None]]) -> PaintedLine:
        """Make it of pieces of text and their colours."""
        made = super().__new__(cls, "".join(text for text, _ in pieces).rstrip())
        made.painted = "".join(paint(text, colour) for text, colour in pieces)
        return made


def alarm(cell: str) -> Colour | None:
    """Return the colour of a number that should be 0."""
    return None if cell in _BLANK else Colour.RED


def mood(cell: str) -> Colour:
    """Return the colour of the state of a daemon or worker."""
    return Colour.GREEN if cell in _GOOD_STATES else Colour.YELLOW


def lay_out(parts: Iterable[Part], most: int | None) -> Iterator[str]:
    """Return the lines of what a command tells; tables take ``most`` columns, as many as they need with None."""
    for part in parts:
        if isinstance(part, Table):
            yield from _lines(part, most)
        else:
            yield part


def _lines(table: Table, most: int | None) -> Iterator[str]:
    shown = [[visible(cell) for cell in row] for row in table.rows]
    kept, left_out = _kept(table, shown, most)
    columns = [table.columns[i] for i in kept]
    cells = [[row[i] for i in kept] for row in shown]
    widths = _widths(columns, cells)
    if most is not None:
        _cut(widths, columns, most - len(table.indent))
    yield PaintedLine([(table.indent + _line(columns, widths, [column.title for column in columns]), Colour.BOLD)])
    for number, row in enumerate(cells):
        yield _painted(table.indent, columns, widths, row)
        yield from table.notes.get(number, ())
    if left_out:
        yield visible(f"{table.indent}(-o wide shows {', '.join(left_out)} too)", limit=most)


def _kept(table: Table, shown: Sequence[Sequence[str]], most: int | None) -> tuple[list[int], list[str]]:
    """Return which columns there is room for, and the titles of those left out that say something."""
    kept = [i for i, column in enumerate(table.columns) if most is None or not column.wide]
    left_out: list[str] = []
    blank = {i for i in kept if all(row[i] in _BLANK for row in shown)}
    going = sorted((i for i in kept if table.columns[i].goes), key=lambda i: (i not in blank, table.columns[i].goes))
    widths = _widths(table.columns, shown)
    least = [min(w, _READABLE_COLUMN) if column.flexible else w
             for w, column in zip(widths, table.columns, strict=True)]  # fmt: skip
    for i in going if most is not None else ():
        if len(table.indent) + _total([least[i] for i in kept]) <= (most or 0):
            break
        kept.remove(i)
        if i not in blank:
            left_out.append(table.columns[i].title)
    return kept, left_out


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(column.title), *(width_of(row[i]) for row in cells)) if cells else len(column.title)
            for i, column in enumerate(columns)]  # fmt: skip


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _cut(widths: list[int], columns: Sequence[Column], most: int) -> None:
    flexible = [i for i, column in enumerate(columns) if column.flexible]
    while flexible and _total(widths) > most:
        widest = max(flexible, key=lambda i: widths[i])
        if widths[widest] <= _NARROWEST_COLUMN:
            break
        widths[widest] -= 1


def _line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    return _GAP.join(_padded(*each) for each in zip(columns, widths, cells, strict=True))


def _painted(indent: str, columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> PaintedLine:
    pieces: list[tuple[str, Colour | None]] = [(indent, None)]
    for column, width, cell in zip(columns, widths, cells, strict=True):
        pieces.append((_padded(column, width, cell), column.colour(cell) if column.colour else None))
        pieces.append((_GAP, None))
    return PaintedLine(pieces[:-1])


def _padded(column: Column, width: int, cell: str) -> str:
    cut = fitted(cell, width)
    gap = " " * (width - width_of(cut))
    return gap + cut if column.right else cut + gap
