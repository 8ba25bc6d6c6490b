"""How many columns of a terminal a text takes: two for each letter of China, Japan or Korea, none for an accent.

For text that `base.escape` has made visible: nothing else in it takes another number than one.
"""

from __future__ import annotations


def width_of(text: str) -> int:
    """Return how many columns a text takes."""
    return len(text) if text.isascii() else sum(map(_width_of, text))


def fitted(text: str, most: int) -> str:
    """Return as much of a text as ``most`` columns take, with ``…`` for what is cut off."""
    if width_of(text) <= most:
        return text
    kept = ""
    for character in text:
        if width_of(kept + character) >= most:
            break
        kept += character
    return f"{kept}…"


def _width_of(character: str) -> int:
    from unicodedata import category, east_asian_width  # most tables do without

    if category(character) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
