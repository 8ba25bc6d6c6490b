"""Colours in a terminal: which there are, and whether whoever reads wants any. Pipes and files never get one."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TextIO


class Colour(StrEnum):
    """How a piece of text is shown: the number that ECMA-48 gives it."""

    BOLD = "1"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"


def paint(text: str, colour: Colour | None) -> str:
    """Return text that a terminal shows in a colour; as it is without one."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


def wants_colours(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that shows colours, and its user has not said no: https://no-color.org."""
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def has_screen(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal on which a place can be painted anew."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
