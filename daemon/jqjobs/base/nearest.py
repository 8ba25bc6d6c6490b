"""Which of the known words somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable

#: Similar enough to be a slip of the finger: `difflib`'s own measure.
_SIMILAR = 0.6


def nearest(word: str, known: Iterable[str], *, at_least: float = _SIMILAR) -> str | None:
    """Return the known word that is most like another one, None when none is like it."""
    from difflib import get_close_matches  # it takes 5 ms to import, and nearly nobody mistypes

    found = get_close_matches(word, sorted(known), 1, at_least)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'emails'?``, or "" when nothing is like it."""
    meant = nearest(word, known)
    return f"did you mean {meant!r}?" if meant else ""
