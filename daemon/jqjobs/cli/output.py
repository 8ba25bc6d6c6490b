"""How jqctl writes: JSON objects, aligned tables, one-line errors. Knows nothing of jobs.

Every line for people passes `visible` here, so nothing that came out of Redis reaches a terminal raw.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from jqjobs.base.escape import visible
from jqjobs.errors import JqError

#: Columns of the narrowest place that output is made for.
WIDTH = 100
_NARROWEST_COLUMN = 8
_GAP = "  "
#: Characters written at once.
_PIECE = 16_384
#: A hint names so many.
_MOST_LISTED = 8
#: The version that every JSON object carries; within one version keys are only added.
_JSON_VERSION = 1


class ReaderGone(Exception):
    """Whoever read stdout closed it."""


class Column(NamedTuple):
    """A column of a table. ``flexible``: it is cut when the table gets too wide."""

    title: str
    right: bool = False
    flexible: bool = False


def write_json(answer: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout, pure ASCII. Raises: ReaderGone, OSError."""
    _write(json.dumps({"v": _JSON_VERSION, **answer}, allow_nan=False) + "\n")


def write_lines(lines: Iterable[str]) -> None:
    """Write lines for people to stdout. Raises: ReaderGone, OSError."""
    _write("".join(f"{visible(line)}\n" for line in lines))


def write_error(error: JqError, *, as_json: bool) -> None:
    """Write an error to stderr: one line, or one JSON object."""
    facts = {"code": error.code, "message": error.message, "hint": error.hint}
    line = f"jqctl: {error.in_one_line()}"
    complain(json.dumps({"v": _JSON_VERSION, "error": facts}) if as_json else line)


def complain(*lines: str) -> None:
    """Write lines to stderr, if anybody is there to read them."""
    try:
        if sys.stderr is not None:
            _encodable(sys.stderr).write("".join(f"{visible(line)}\n" for line in lines))
            sys.stderr.flush()
    except OSError:
        pass  # there is nowhere left to say it


def _write(text: str) -> None:
    if sys.stdout is None:
        return
    try:
        stream = _encodable(sys.stdout)
        # In pieces: with PYTHONUNBUFFERED a write that the reader cuts short is not an error, the next one is.
        for start in range(0, len(text), _PIECE):
            stream.write(text[start : start + _PIECE])
        stream.flush()
    except OSError as error:
        # Python flushes once more at its end and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from None
        raise


def _encodable(stream: TextIO) -> TextIO:
    if (stream.encoding or "").lower().replace("-", "") != "utf8" and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, indent: str = "") -> list[str]:
    """Return the lines of an aligned table with a title line; flexible columns are cut to fit the width."""
    shown = [[column.title for column in columns], *([visible(cell) for cell in row] for row in rows)]
    widths = _fit([max(map(len, cells)) for cells in zip(*shown, strict=True)], columns, width() - len(indent))
    return [indent + _line(columns, widths, row) for row in shown]


def width() -> int:
    """Return how wide a line may be: as wide as the terminal, 100 elsewhere and at least."""
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDTH
    return max(WIDTH, shutil.get_terminal_size().columns)


def _fit(widths: list[int], columns: Sequence[Column], most: int) -> list[int]:
    flexible = [i for i, column in enumerate(columns) if column.flexible]
    while flexible and sum(widths) + len(_GAP) * (len(widths) - 1) > most:
        widest = max(flexible, key=lambda i: widths[i])
        if widths[widest] <= _NARROWEST_COLUMN:
            break
        widths[widest] -= 1
    return widths


def _line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    cut = [visible(cell, limit=size) for cell, size in zip(cells, widths, strict=True)]
    padded = [
        cell.rjust(size) if column.right else cell.ljust(size)
        for column, cell, size in zip(columns, cut, widths, strict=True)
    ]
    return _GAP.join(padded).rstrip()


def moment(ms: int | None) -> str:
    """Return a time (ms since the epoch) in UTC, to the second; "-" for None."""
    if ms is None:
        return "-"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(ms / 1000))
    except (OverflowError, ValueError, OSError):  # a number that is no time of any clock
        return f"{ms} ms"


def number(value: int | None) -> str:
    """Return a number that may be unknown, as "?" then."""
    return "?" if value is None else str(value)


def plural(count: int, word: str) -> str:
    """Return ``no jobs``, ``1 job``, ``2 jobs``."""
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Return the first words of a list, with "…" for those that are left out."""
    return ", ".join(words[:_MOST_LISTED]) + (", …" if len(words) > _MOST_LISTED else "")
