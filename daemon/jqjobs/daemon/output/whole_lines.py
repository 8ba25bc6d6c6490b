"""Whole lines out of a stream of bytes, in the form of the log."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

#: A line that is longer is cut, and goes on in the next one.
MOST_BYTES = 1024 * 1024

#: Makes a line of the log of one that is none.
Wrap = Callable[[bytes], bytes]


class WholeLines:
    """Joins what comes in pieces. ``wrap`` given: each line that is no JSON object is shown by it; None: none is."""

    def __init__(self, wrap: Wrap | None) -> None:
        self._wrap = wrap
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Return the lines that are whole by now."""
        whole, newline, rest = data.rpartition(b"\n")
        if newline:
            lines = bytes(self._rest) + whole + newline
            self._rest = bytearray(rest)
            return self._shown(lines)
        self._rest += rest
        return self.end() if len(self._rest) > MOST_BYTES else b""

    def end(self) -> bytes:
        """Return the line that has no end, and never will have one, as a whole one."""
        line, self._rest = bytes(self._rest), bytearray()
        return self._shown(line + b"\n") if line else b""

    def _shown(self, lines: bytes) -> bytes:
        if self._wrap is None:
            return lines
        return b"".join(line + b"\n" if _is_object(line) else self._wrap(line) for line in lines.split(b"\n")[:-1])


def _is_object(line: bytes) -> bool:
    if not line.startswith(b"{"):
        return False
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
