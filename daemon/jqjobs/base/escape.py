"""Makes text from outside safe to show: nothing in it can act on a terminal, forge a log line or hide.

Owns what is escaped and how. Called by the log formatter and by jqctl for everything a person reads. Not for
JSON: its own escapes are exact, these are for the eye and cannot be turned back.
"""

from __future__ import annotations

import re

#: Letters and marks that count as printable but show nothing: fillers, joiners, variation selectors. The two
#: selectors that tell emoji from text (U+FE0E, U+FE0F) may stay. Unicode's Default_Ignorable_Code_Point.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]")


def visible(text: str, *, limit: int | None = None) -> str:
    """Return ``text`` with every character that is not plainly visible written as an escape.

    ``\\n``, ``\\x1b``, ``\\u202e``: control characters (so ANSI sequences), bidi and zero-width marks, exotic
    spaces, line separators, lone surrogates, unassigned code points. The result is one line, and encodable.

    ``limit``: at most so many characters; what is cut off ends in ``…``, and no escape is cut in two.
    """
    head = text if limit is None else text[: limit + 1]
    if not (head.isprintable() and not _INVISIBLE.search(head)):
        return _cut([_shown(character) for character in head], limit)
    return head if limit is None or len(head) <= limit else head[: max(0, limit - 1)] + "…"[:limit]


def _shown(character: str) -> str:
    if character.isprintable() and not _INVISIBLE.match(character):
        return character
    return character.encode("unicode_escape").decode("ascii")


def _cut(pieces: list[str], limit: int | None) -> str:
    whole = "".join(pieces)
    if limit is None or len(whole) <= limit:
        return whole
    kept = ""
    for piece in pieces:
        if len(kept) + len(piece) > limit - 1:
            break
        kept += piece
    return kept + "…"[:limit]
