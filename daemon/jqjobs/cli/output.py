"""How jqctl writes: JSON objects, lines and tables, one-line errors. Knows nothing of jobs.

Every line for people passes `visible` here, so nothing that came out of Redis reaches a terminal raw.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jqjobs.base.escape import visible
from jqjobs.cli.colours import Colour, paint, wants_colours
from jqjobs.cli.tables import PaintedLine, Part, lay_out
from jqjobs.errors import JqError

#: Columns of a pipe, a file.
WIDTH = 100
_NARROWEST_TERMINAL = 40
#: How a line on stderr begins that jqctl itself has to say.
_OURS = "jqctl:"
#: Characters written at once.
_PIECE = 16_384
#: The version that every JSON object carries; within one version keys are only added.
_JSON_VERSION = 1


class ReaderGone(Exception):
    """Whoever read stdout closed it."""


def ready_streams() -> None:
    """Have the streams of this process take what comes: a locale that lacks a character gets an escape of it.

    What is closed leads to /dev/null, so that no file or socket gets its number.
    """
    for number in range(3):  # in this order: the lowest that is free is given out
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)


def write_json(answer: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout, pure ASCII. Raises: ReaderGone, OSError."""
    _write(json.dumps({"v": _JSON_VERSION, **answer}, allow_nan=False) + "\n")


def write_lines(parts: Iterable[Part], *, wide: bool = False) -> None:
    """Write what people read to stdout; ``wide``: all of it, however wide it gets. Raises: ReaderGone, OSError."""
    _write("".join(f"{line}\n" for line in shown_lines(parts, None if wide else width())))


def shown_lines(parts: Iterable[Part], most: int | None) -> Iterator[str]:
    """Return the lines that people see on stdout, ``most`` columns wide; None: as wide as they get."""
    coloured = wants_colours(sys.stdout)
    return (_shown(line, coloured=coloured) for line in lay_out(parts, most))


def write_text(text: str) -> None:
    """Write lines to stdout that are for programs, and may be read by people. Raises: ReaderGone, OSError."""
    _write("".join(f"{visible(line)}\n" for line in text.splitlines()))


def write_json_lines(lines: Iterable[bytes]) -> None:
    """Write JSON texts to stdout, a line each, as they are; in a terminal pure ASCII. Raises: ReaderGone, OSError."""
    is_seen = sys.stdout is not None and sys.stdout.isatty()
    texts = (line.decode() for line in lines)
    _write("".join(f"{json.dumps(json.loads(text)) if is_seen else text}\n" for text in texts))


def _shown(line: str, *, coloured: bool) -> str:
    """Return a line as it is written. One that begins with "!" wants attention."""
    if isinstance(line, PaintedLine):
        return line.painted if coloured else str(line)
    wants_attention = coloured and line.lstrip(" ").startswith("!")
    return paint(visible(line), Colour.YELLOW if wants_attention else None)


def write_error(error: JqError, *, as_json: bool) -> None:
    """Write an error to stderr: one line, or one JSON object."""
    facts = {"code": error.code, "message": error.message, "hint": error.hint}
    line = f"{_OURS} {error.in_one_line()}"
    complain(json.dumps({"v": _JSON_VERSION, "error": facts}) if as_json else line)


def complain(*lines: str) -> None:
    """Write lines to stderr, if anybody is there to read them."""
    try:
        if sys.stderr is not None:
            coloured = wants_colours(sys.stderr)
            sys.stderr.write("".join(f"{_complaint(line, coloured=coloured)}\n" for line in lines))
            sys.stderr.flush()
    except OSError:
        pass  # there is nowhere left to say it


def _complaint(line: str, *, coloured: bool) -> str:
    shown = visible(line)
    is_ours = coloured and shown.startswith(_OURS)
    return paint(_OURS, Colour.RED) + shown.removeprefix(_OURS) if is_ours else shown


def _write(text: str) -> None:
    if sys.stdout is None:
        return
    try:
        # In pieces: with PYTHONUNBUFFERED a write that the reader cuts short is not an error, the next one is.
        for start in range(0, len(text), _PIECE):
            sys.stdout.write(text[start : start + _PIECE])
        sys.stdout.flush()
    except OSError as error:
        # Python flushes once more at its end and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from None
        raise


def width() -> int:
    """Return how wide a line may be: as wide as the terminal, 100 elsewhere."""
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDTH
    return max(_NARROWEST_TERMINAL, shutil.get_terminal_size().columns)
